/**
 * Progress requests of one stream to etcd that have no response yet. etcd may never respond to some of them, so they are
 * counted in two periods, and those of the period before the last are no longer counted.
 */
import type { Clock } from '../../runtime/clock.ts';

const periodMs = 5_000;

export class ProgressInFlight {
  readonly #clock: Clock;
  #before = 0;
  #now = 0;
  #sinceMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    this.#rotate();
    return this.#before + this.#now;
  }

  add(): void {
    this.#rotate();
    this.#now += 1;
  }

  remove(): void {
    if (this.#before > 0) this.#before -= 1;
    else if (this.#now > 0) this.#now -= 1;
  }

  #rotate(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#sinceMs < periodMs) return;
    this.#before = nowMs - this.#sinceMs < 2 * periodMs ? this.#now : 0;
    this.#now = 0;
    this.#sinceMs = nowMs;
  }
}
