/**
 * The recent batches of one feed, without gaps from `start` to the newest. Bounded in bytes and batches, and with the other
 * histories of its tenant and of the process: the oldest batches are evicted, and a watcher that still needs them catches up
 * through a private watch.
 */
import type { Batch } from './batch.ts';
import { BatchMemory } from './batch-memory.ts';
import { HeldBatch } from './held-batch.ts';
import type { HistoryLimits } from './history-limits.ts';
import type { HistoryShare } from './history-share.ts';

/** The feed of a history. */
export interface HistoryOwner {
  /** Everything up to this revision has been delivered to live watchers. Later batches are not evicted. */
  readonly rounded: number;
  /** A batch that is not delivered yet has to be evicted. */
  requestRound(): void;
}

export class History {
  /** Every event of the range from this revision on is here, up to the position of the feed. */
  start: number;
  bytes = 0;
  readonly #owner: HistoryOwner;
  readonly #limits: HistoryLimits;
  readonly #share: HistoryShare;
  readonly #memory = new BatchMemory();
  /** Begins with nulls in place of evicted batches, which are removed in bulk. */
  #batches: (HeldBatch | null)[] = [];
  #evicted = 0;

  constructor(owner: HistoryOwner, start: number, limits: HistoryLimits, share: HistoryShare) {
    this.#owner = owner;
    this.start = start;
    this.#limits = limits;
    this.#share = share;
  }

  get length(): number {
    return this.#batches.length - this.#evicted;
  }

  /** Appends batches that arrived together. `trim` is to be called afterwards. */
  append(batches: readonly Batch[]): void {
    const stored = this.#memory.store(batches, this.bytes);
    for (const batch of stored) {
      const held = new HeldBatch(this, batch);
      this.#batches.push(held);
      this.bytes += held.bytes;
      this.#share.add(held);
    }
  }

  /** Evicts the oldest batches until all bounds hold, also of other histories. */
  trim(): void {
    while (this.length > 0 && this.#isFull) if (!this.evictOldest()) break;
    this.#share.trim();
  }

  /** Returns false if the oldest batch is not delivered yet. It can be evicted after the round that this requests. */
  evictOldest(): boolean {
    const oldest = this.#batches[this.#evicted] as HeldBatch;
    if (oldest.revision > this.#owner.rounded) {
      this.#owner.requestRound();
      return false;
    }
    this.#batches[this.#evicted] = null;
    this.#evicted += 1;
    this.bytes -= oldest.bytes;
    this.start = oldest.revision + 1;
    this.#share.remove(oldest);
    if (this.length === 0) this.#memory.clear();
    if (this.#evicted >= 256 || this.length === 0) {
      this.#batches = this.#batches.slice(this.#evicted);
      this.#evicted = 0;
    }
    return true;
  }

  /** The batches from revision `from` on, up to and including `to`, and no more than are needed to reach `bytesMin`. */
  between(from: number, to: number, bytesMin = Number.POSITIVE_INFINITY): readonly Batch[] {
    const first = this.#firstFrom(from);
    let bytes = 0;
    let end = first;
    while (end < this.#batches.length && bytes < bytesMin) {
      const { revision, events } = this.#batches[end] as HeldBatch;
      if (revision > to) break;
      bytes += events.length;
      end += 1;
    }
    return this.#batches.slice(first, end) as HeldBatch[];
  }

  clear(): void {
    for (let i = this.#evicted; i < this.#batches.length; i++) {
      this.#share.remove(this.#batches[i] as HeldBatch);
    }
    this.#batches = [];
    this.#evicted = 0;
    this.bytes = 0;
    this.#memory.clear();
  }

  get #isFull(): boolean {
    return this.bytes > this.#limits.bytesMax || this.length > this.#limits.batchesMax;
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
