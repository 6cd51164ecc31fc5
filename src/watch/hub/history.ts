/**
 * The recent batches of one feed, without gaps from `start` to the newest. Bounded in bytes and batches: the oldest are
 * evicted, and a watcher that still needs them catches up through a private watch.
 */
import type { Batch } from './batch.ts';

export interface HistoryLimits {
  readonly bytesMax: number;
  readonly batchesMax: number;
}

export class History {
  /** Every event of the range from this revision on is here, up to the position of the feed. */
  start: number;
  bytes = 0;
  readonly #limits: HistoryLimits;
  #batches: Batch[] = [];
  /** Evicted batches at the beginning of the array, removed in bulk. */
  #evicted = 0;

  constructor(start: number, limits: HistoryLimits) {
    this.start = start;
    this.#limits = limits;
  }

  get length(): number {
    return this.#batches.length - this.#evicted;
  }

  append(batches: readonly Batch[]): void {
    for (const batch of batches) {
      this.#batches.push(batch);
      this.bytes += batch.events.length + batch.header.length;
    }
  }

  /**
   * Evicts the oldest batches until the bounds hold, but none after revision `last`, which a round still needs. Returns
   * whether the bounds hold.
   */
  trim(last: number): boolean {
    while (this.length > 0 && this.#isFull) {
      const oldest = this.#batches[this.#evicted] as Batch;
      if (oldest.revision > last) return false;
      this.#evicted += 1;
      this.bytes -= oldest.events.length + oldest.header.length;
      this.start = oldest.revision + 1;
    }
    if (this.#evicted < 256 && this.length > 0) return true;
    this.#batches = this.#batches.slice(this.#evicted);
    this.#evicted = 0;
    return true;
  }

  get #isFull(): boolean {
    return this.bytes > this.#limits.bytesMax || this.length > this.#limits.batchesMax;
  }

  /** The batches from revision `from` on, up to and including `to`. */
  between(from: number, to: number): readonly Batch[] {
    const first = this.#firstFrom(from);
    let end = this.#batches.length;
    while (end > first && (this.#batches[end - 1] as Batch).revision > to) end -= 1;
    return this.#batches.slice(first, end);
  }

  clear(): void {
    this.#batches = [];
    this.#evicted = 0;
    this.bytes = 0;
  }

  /** Index of the first batch with at least this revision. */
  #firstFrom(revision: number): number {
    let low = this.#evicted;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#batches[middle] as Batch).revision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
