/**
 * Whether one endpoint keeps failing, and for how long it is passed over then. Arithmetic only: the clock is handed in,
 * nothing is sent, and whether there is another endpoint to use instead is the picker's business.
 */
import { Code, type Status } from '../grpc/status.ts';
import type { Clock } from '../runtime/clock.ts';
import { jittered, type Random } from '../runtime/random.ts';

/** As linkerd's consecutive failure accrual, https://linkerd.io/2/reference/circuit-breaking/. */
const failuresMax = 5;
const penaltyMsMin = 1_000;
const penaltyMsMax = 60_000;
const penaltySpread = 0.5;

/** etcd gives up on a request after 7 s by default, so a silence that is shorter says nothing (server/config, ReqTimeout). */
const silenceMsMin = 7_000;

export type Verdict = 'alive' | 'failing' | 'neither';

/**
 * What the end of a call says about its endpoint. `timeoutMs` is what the call was given. Past its deadline a call that
 * looks lost may have been reset by a member that counts the deadline too (grpc-go since 1.83): then it was only slow.
 */
export function judge(ended: Status, timeoutMs: number, isPastDeadline: boolean): Verdict {
  const afterSilence = timeoutMs >= silenceMsMin ? 'failing' : 'neither';
  switch (ended.origin) {
    case 'unsent':
      return 'failing';
    case 'lost':
      return isPastDeadline ? afterSilence : 'failing';
    case 'proxy':
      return ended.code === Code.DEADLINE_EXCEEDED ? afterSilence : 'neither';
    case 'peer':
      // Overload is no fault of this member, and moving the load elsewhere would spread it.
      if (ended.text.endsWith('too many requests')) return 'neither';
      return failingCodes.has(ended.code) ? 'failing' : 'alive';
    default:
      return ended.origin satisfies never;
  }
}

const failingCodes: ReadonlySet<number> = new Set([
  Code.UNAVAILABLE,
  Code.INTERNAL,
  Code.DATA_LOSS,
]);

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
  called(verdict: Verdict): boolean {
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
