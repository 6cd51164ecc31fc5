/** Limits the lines of one kind in a log to a number per second, and counts those that it suppresses. */
import type { Clock } from '../runtime/clock.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';

/** A tenant has at most this share of a rate that it shares with others, so that its lines do not hide those of others. */
const tenantShare = 1 / 4;

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

  /**
   * Returns the number of lines that were suppressed since the last one, or -1 if this line must be suppressed, too. With `ofTenant`,
   * the line must also be within the share of the tenant whose lines take these tokens.
   */
  pass(ofTenant: TokenBucket | null = null): number {
    const nowMs = this.#clock.nowMs();
    const isWithinShare =
      ofTenant === null ||
      ofTenant.has(this.#perSecond * tenantShare, Math.max(this.#burst * tenantShare, 1), nowMs);
    if (!isWithinShare || !this.#tokens.has(this.#perSecond, this.#burst, nowMs)) {
      this.#suppressed += 1;
      this.#onSuppressed();
      return -1;
    }
    ofTenant?.take();
    this.#tokens.take();
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed;
  }
}
