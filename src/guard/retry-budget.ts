/**
 * How many retries the process may send: a share of its requests, and in any case a few per second. If the cluster fails,
 * every client receives errors, and retries without a budget would double the load.
 */
import type { Clock } from '../runtime/clock.ts';

/** Share of the requests. Envoy's retry_budget has the same default. */
const retryShare = 0.2;
/** Allowed in any case, so that reads are retried at low request rates too. */
const retriesPerSecondMin = 3;
/** Retries that may accumulate. */
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

  /** Call once per request, for its first attempt. */
  deposit(): void {
    this.#tokens = Math.min(tokensMax, this.#tokens + retryShare);
  }

  /** Returns true, and takes one retry from the budget, if a request may be retried. */
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
