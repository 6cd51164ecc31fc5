/** Renewals that wait to be sent, in order. Any of them can leave at any time: a list that is linked through its elements. */
import type { Renewal } from './renewal.ts';

export class RenewalQueue {
  #first: Renewal | null = null;
  #last: Renewal | null = null;

  get first(): Renewal | null {
    return this.#first;
  }

  push(renewal: Renewal): void {
    renewal.before = this.#last;
    renewal.after = null;
    if (this.#last === null) this.#first = renewal;
    else this.#last.after = renewal;
    this.#last = renewal;
  }

  pushFront(renewal: Renewal): void {
    renewal.before = null;
    renewal.after = this.#first;
    if (this.#first === null) this.#last = renewal;
    else this.#first.before = renewal;
    this.#first = renewal;
  }

  shift(): Renewal | null {
    const first = this.#first;
    if (first !== null) this.remove(first);
    return first;
  }

  /** `renewal` must be in the queue. */
  remove(renewal: Renewal): void {
    const { before, after } = renewal;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    renewal.before = null;
    renewal.after = null;
  }
}
