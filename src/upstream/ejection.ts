/**
 * Ejects an endpoint after consecutive failures, for a time that grows with backoff. It sends nothing: the owner reports ended
 * calls and probes. The picker decides whether another endpoint can replace an ejected one.
 */
import type { EndpointVerdict } from '../etcd/outcomes.ts';
import type { Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';

const failuresMax = 5;
/** The defaults of linkerd, https://linkerd.io/2/reference/circuit-breaking/. linkerd itself ejects after 7 failures. */
const penaltyMsMin = 1_000;
const penaltyMsMax = 60_000;
const penaltySpread = 0.5;

/** in use ─five failures in a row→ ejected ─penalty expired and a probe succeeds, or a call succeeds→ in use */
export class Ejection {
  readonly #clock: Clock;
  readonly #random: Random;
  #failures = 0;
  #isEjected = false;
  #untilMs = 0;
  #nextPenaltyMs = penaltyMsMin;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get isEjected(): boolean {
    return this.#isEjected;
  }

  /** Milliseconds until a probe can end the ejection. 0 if the endpoint is not ejected. */
  get penaltyMs(): number {
    return this.#isEjected ? Math.max(0, this.#untilMs - this.#clock.nowMs()) : 0;
  }

  /** Reports an ended call. Returns true if `isEjected` has changed. */
  onCall(verdict: EndpointVerdict): boolean {
    switch (verdict) {
      case 'neither':
        return false;
      case 'alive':
        this.#failures = 0;
        this.#nextPenaltyMs = penaltyMsMin;
        return this.#end();
      case 'failing':
        this.#failures += 1;
        if (this.#isEjected || this.#failures < failuresMax) return false;
        this.#begin();
        return true;
      default:
        return verdict satisfies never;
    }
  }

  /**
   * Reports an ended probe. Returns true if `isEjected` has changed. A probe does not reset the backoff; only a successful call
   * does.
   */
  onProbe(isAlive: boolean): boolean {
    if (!this.#isEjected || this.penaltyMs > 0) return false;
    if (isAlive) return this.#end();
    this.#begin();
    return false;
  }

  #end(): boolean {
    const wasEjected = this.#isEjected;
    this.#isEjected = false;
    this.#failures = 0;
    return wasEjected;
  }

  #begin(): void {
    this.#isEjected = true;
    const penaltyMs = jittered(this.#random, this.#nextPenaltyMs, penaltySpread);
    this.#untilMs = this.#clock.nowMs() + penaltyMs;
    this.#nextPenaltyMs = Math.min(2 * this.#nextPenaltyMs, penaltyMsMax);
  }
}
