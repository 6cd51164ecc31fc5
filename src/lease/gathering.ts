/**
 * Client streams with responses that wait for the other responses of their client, so that they leave in one write. All streams
 * that begin to wait within `gatherMs` share a timer.
 */
import type { CancelTimer } from '../runtime/clock.ts';
import type { KeepAliveContext } from './context.ts';

/** A client stream that has waited for long enough. */
export interface Gatherer {
  /** Throws nothing. */
  onGathered(): void;
}

export class Gathering {
  readonly #context: KeepAliveContext;
  #waiting: Gatherer[] = [];
  #cancelTimer: CancelTimer = () => {};
  readonly #onTimer = (): void => this.#deliver();

  constructor(context: KeepAliveContext) {
    this.#context = context;
  }

  /** `gatherer` must not be waiting. It cannot leave. */
  add(gatherer: Gatherer): void {
    if (this.#waiting.push(gatherer) > 1) return;
    const { clock, limits } = this.#context;
    this.#cancelTimer = clock.after(limits.gatherMs, this.#onTimer);
  }

  close(): void {
    this.#cancelTimer();
  }

  #deliver(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    for (const gatherer of batch) gatherer.onGathered();
  }
}
