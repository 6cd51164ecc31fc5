/** The delays before retries: each is twice as long as the one before, up to a limit, with jitter. */
import { jittered, type Random } from './random.ts';

export interface BackoffLimits {
  readonly firstMs: number;
  /** Without jitter. */
  readonly maxMs: number;
}

const jitterShare = 0.2;

export class Backoff {
  readonly #random: Random;
  readonly #limits: BackoffLimits;
  /** Without jitter. */
  #nextMs: number;

  constructor(random: Random, limits: BackoffLimits) {
    this.#random = random;
    this.#limits = limits;
    this.#nextMs = limits.firstMs;
  }

  /** Returns the delay before the next retry. */
  nextMs(): number {
    const baseMs = this.#nextMs;
    this.#nextMs = Math.min(this.#limits.maxMs, baseMs * 2);
    return jittered(this.#random, baseMs, jitterShare);
  }

  /** It works again: the next delay is the first one. */
  reset(): void {
    this.#nextMs = this.#limits.firstMs;
  }
}
