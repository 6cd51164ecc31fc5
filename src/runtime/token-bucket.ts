/**
 * A token bucket: a rate with a burst, in two numbers and without a timer. In any interval it lets at most the burst plus the
 * rate times the length of the interval pass. Rate and burst are arguments, so that new values apply at once and what the
 * bucket contains is kept.
 */
export class TokenBucket {
  /** A new bucket is full, whatever its burst is. */
  #tokens = Number.POSITIVE_INFINITY;
  #filledMs = 0;

  /**
   * Adds the tokens of the time since the last call, up to `burst`, and returns whether there is one to take. `nowMs` is on a
   * monotonic scale. Without a rate (`Infinity`) there always is.
   */
  has(perSecond: number, burst: number, nowMs: number): boolean {
    if (perSecond === Number.POSITIVE_INFINITY) return true;
    const passedMs = nowMs - this.#filledMs;
    if (passedMs > 0) {
      this.#tokens += (passedMs * perSecond) / 1_000;
      this.#filledMs = nowMs;
    }
    if (this.#tokens > burst) this.#tokens = burst;
    return this.#tokens >= 1;
  }

  /** How many tokens of the burst are taken at `nowMs`, as a whole number. */
  taken(perSecond: number, burst: number, nowMs: number): number {
    this.has(perSecond, burst, nowMs);
    return Number.isFinite(this.#tokens) ? Math.max(Math.ceil(burst - this.#tokens), 0) : 0;
  }

  /** Takes a token. Only after `has` has returned true. */
  take(): void {
    this.#tokens -= 1;
  }
}
