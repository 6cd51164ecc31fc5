/**
 * Whether one endpoint keeps failing, and for how long it is passed over then. Arithmetic only: the clock is handed in,
 * nothing is sent, and whether there is another endpoint to use instead is the picker's business.
 */
import type { EndpointVerdict } from '../etcd/outcomes.ts';
import type { Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';

/** As linkerd's consecutive failure accrual, https://linkerd.io/2/reference/circuit-breaking/. */
const failuresMax = 5;
const penaltyMsMin = 1_000;
const penaltyMsMax = 60_000;
const penaltySpread = 0.5;

/** in ─five failures in a row→ out ─penalty over and a probe answered, or a call succeeded→ in */
export class Accrual {
  readonly #clock: Clock;
  readonly #random: Random;
  #failures = 0;
  #isOut = false;
  #outUntilMs = 0;
  #nextPenaltyMs = penaltyMsMin;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  get isOut(): boolean {
    return this.#isOut;
  }

  /** How much of the penalty is left; 0 if there is none. */
  get penaltyMs(): number {
    return this.#isOut ? Math.max(0, this.#outUntilMs - this.#clock.nowMs()) : 0;
  }

  /** A call ended. True if that changed `isOut`. */
  called(verdict: EndpointVerdict): boolean {
    if (verdict === 'neither') return false;
    if (verdict === 'alive') {
      this.#failures = 0;
      this.#nextPenaltyMs = penaltyMsMin;
      return this.#comeIn();
    }
    this.#failures += 1;
    if (this.#isOut || this.#failures < failuresMax) return false;
    this.#goOut();
    return true;
  }

  /** A probe ended. Only a call that succeeds makes the next penalty short again. True if that changed `isOut`. */
  probed(isAlive: boolean): boolean {
    if (!this.#isOut || this.penaltyMs > 0) return false;
    if (isAlive) return this.#comeIn();
    this.#goOut();
    return false;
  }

  #comeIn(): boolean {
    const was = this.#isOut;
    this.#isOut = false;
    this.#failures = 0;
    return was;
  }

  #goOut(): void {
    this.#isOut = true;
    const penaltyMs = jittered(this.#random, this.#nextPenaltyMs, penaltySpread);
    this.#outUntilMs = this.#clock.nowMs() + penaltyMs;
    this.#nextPenaltyMs = Math.min(2 * this.#nextPenaltyMs, penaltyMsMax);
  }
}
