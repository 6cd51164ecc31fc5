/**
 * What one observer has received: per key the last sequence number. The writer has at most one put in flight per key, so the
 * sequence numbers of a key are consecutive at every observer.
 */
import { Histogram } from './histogram.ts';

/** Summed over all observers of a program. */
export class DeliveryTotals {
  delivered = 0;
  missed = 0;
  repeated = 0;
  reordered = 0;
  readonly latencyUs = new Histogram();

  clear(): void {
    this.delivered = 0;
    this.missed = 0;
    this.repeated = 0;
    this.reordered = 0;
    this.latencyUs.clear();
  }
}

export class DeliveryCheck {
  readonly #totals: DeliveryTotals;
  readonly #last: Uint32Array;
  /** The only key that is observed, or null for all. */
  readonly #only: number | null;
  #modRevision = 0;

  constructor(totals: DeliveryTotals, keys: number, only: number | null = null) {
    this.#totals = totals;
    this.#last = new Uint32Array(keys);
    this.#only = only;
  }

  /** How many keys have been seen. */
  get seen(): number {
    return this.#last.reduce((count, last) => (last > 0 ? count + 1 : count), 0);
  }

  /** The sequence number is known without an event, for example from a list. */
  start(key: number, sequence: number): void {
    this.#last[key] = sequence;
  }

  /** Returns true if the key was not seen before. */
  onEvent(key: number, sequence: number, modRevision: number, latencyUs: number): boolean {
    const totals = this.#totals;
    const last = this.#last[key] ?? 0;
    totals.delivered += 1;
    if (sequence <= last) totals.repeated += 1;
    else {
      totals.missed += sequence - last - 1;
      this.#last[key] = sequence;
      if (modRevision < this.#modRevision) totals.reordered += 1;
    }
    this.#modRevision = modRevision;
    totals.latencyUs.record(latencyUs);
    return last === 0;
  }

  /** How many of the final sequence numbers are not reached, in events. */
  lacks(final: ArrayLike<number>): number {
    if (this.#only !== null) return this.#lacksOf(this.#only, final);
    let events = 0;
    for (const key of this.#last.keys()) events += this.#lacksOf(key, final);
    return events;
  }

  #lacksOf(key: number, final: ArrayLike<number>): number {
    return Math.max(0, (final[key] ?? 0) - (this.#last[key] ?? 0));
  }
}
