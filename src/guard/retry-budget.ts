/**
 * How many second attempts the process may send: a share of its requests, and a few per second in any case. When the
 * cluster is in trouble every client sees errors, and what must not happen then is that its load doubles.
 */
import type { Clock } from '../runtime/clock.ts';

/** Of the requests; Envoy's retry_budget has the same default. */
const retryShare = 0.2;
/** In any case, so that a quiet tenant's reads are retried too. */
const retriesPerSecondMin = 3;
/** What quiet times may save up. */
const tokensMax = 100;

export class RetryBudget {
  readonly #clock: Clock;
  #tokens = 0;
  #floorTokens = retriesPerSecondMin;
  #floorAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#floorAtMs = clock.nowMs();
  }

  /** A request was sent for the first time. */
  deposit(): void {
    this.#tokens = Math.min(tokensMax, this.#tokens + retryShare);
  }

  /** May a request be sent a second time? Takes what that costs. */
  withdraw(): boolean {
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return true;
    }
    const nowMs = this.#clock.nowMs();
    const earned = ((nowMs - this.#floorAtMs) / 1000) * retriesPerSecondMin;
    this.#floorTokens = Math.min(retriesPerSecondMin, this.#floorTokens + earned);
    this.#floorAtMs = nowMs;
    if (this.#floorTokens < 1) return false;
    this.#floorTokens -= 1;
    return true;
  }
}
