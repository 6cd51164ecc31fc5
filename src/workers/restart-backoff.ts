/** How long to wait before a worker that has ended is started again. The time doubles while workers end soon. */
import { jittered, type Random } from '../runtime/random.ts';

export interface RestartLimits {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A worker that ran for this long has not ended soon: the next delay is the first one again. */
  readonly stableMs: number;
}

export const restartLimits: RestartLimits = { firstMs: 100, maxMs: 15_000, stableMs: 60_000 };

const jitterShare = 0.2;

export class RestartBackoff {
  readonly #random: Random;
  readonly #limits: RestartLimits;
  #nextMs: number;

  constructor(random: Random, limits: RestartLimits = restartLimits) {
    this.#random = random;
    this.#limits = limits;
    this.#nextMs = limits.firstMs;
  }

  /** Returns the delay for a worker that ran for `ranMs`. */
  delayMs(ranMs: number): number {
    const { firstMs, maxMs, stableMs } = this.#limits;
    const baseMs = ranMs >= stableMs ? firstMs : this.#nextMs;
    this.#nextMs = Math.min(maxMs, baseMs * 2);
    return jittered(this.#random, baseMs, jitterShare);
  }
}
