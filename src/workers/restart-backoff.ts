/** How long to wait before a worker that has ended is started again. The time doubles while workers end soon. */
import { Backoff, type BackoffLimits } from '../runtime/backoff.ts';
import type { Random } from '../runtime/random.ts';

export interface RestartLimits extends BackoffLimits {
  /** A worker that ran for this long has not ended soon: the next delay is the first one again. */
  readonly stableMs: number;
}

export const restartLimits: RestartLimits = { firstMs: 100, maxMs: 15_000, stableMs: 60_000 };

export class RestartBackoff {
  readonly #backoff: Backoff;
  readonly #stableMs: number;

  constructor(random: Random, limits: RestartLimits = restartLimits) {
    this.#backoff = new Backoff(random, limits);
    this.#stableMs = limits.stableMs;
  }

  /** Returns the delay for a worker that ran for `ranMs`. */
  delayMs(ranMs: number): number {
    if (ranMs >= this.#stableMs) this.#backoff.reset();
    return this.#backoff.nextMs();
  }
}
