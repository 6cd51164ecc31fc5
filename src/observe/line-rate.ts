/** Limits the lines of one kind in a log to a number per second, and counts those that it suppresses. */
import type { Clock } from '../runtime/clock.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';

export class LineRate {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #onSuppressed: () => void;
  readonly #tokens = new TokenBucket();
  #suppressed = 0;

  constructor(clock: Clock, perSecond: number, onSuppressed: () => void, burst = perSecond) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#onSuppressed = onSuppressed;
  }

  /** Returns the number of lines that were suppressed since the last one, or -1 if this line must be suppressed, too. */
  pass(): number {
    if (!this.#tokens.has(this.#perSecond, this.#burst, this.#clock.nowMs())) {
      this.#suppressed += 1;
      this.#onSuppressed();
      return -1;
    }
    this.#tokens.take();
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
