/**
 * Renewals in order: those that wait to be sent, or those that one stream has sent. Any of them can leave at any time: a list
 * that is linked through its elements.
 */
import type { Renewal } from './renewal.ts';

export class RenewalQueue {
  #first: Renewal | null = null;
  #last: Renewal | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get first(): Renewal | null {
    return this.#first;
  }

  push(renewal: Renewal): void {
    renewal.before = this.#last;
    renewal.after = null;
    if (this.#last === null) this.#first = renewal;
    else this.#last.after = renewal;
    this.#last = renewal;
    this.#length += 1;
  }

  pushFront(renewal: Renewal): void {
    renewal.before = null;
    renewal.after = this.#first;
    if (this.#first === null) this.#last = renewal;
    else this.#first.before = renewal;
    this.#first = renewal;
    this.#length += 1;
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
    this.#length -= 1;
  }

  /** Removes all renewals and returns them in order. */
  takeAll(): readonly Renewal[] {
    const all: Renewal[] = [];
    for (let renewal = this.shift(); renewal !== null; renewal = this.shift()) all.push(renewal);
    return all;
  }
}
