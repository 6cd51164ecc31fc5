/**
 * One circuit breaker: the only file that knows opossum. opossum keeps the window of outcomes and the state; it never
 * sees a call. A call asks `admit` before it is sent and tells its verdict to `settle` once; only then is opossum fired,
 * with an outcome that is already known. So calls under way do not dilute the error rate, nothing in opossum can hang, and a
 * verdict that neither helps nor hurts is simply not told. Successes while it is closed are told in sums, since a round
 * through opossum's promises took a third of all the memory that a put allocates: it hears of them before the next failure
 * and before its window moves on, which is as early as they can make a difference.
 *
 * closed ─too many failures→ open ─open time over→ half-open ─probe succeeds→ closed
 *                              ↑                     │
 *                              └─probe fails, is cancelled by its client, or takes too long
 */
import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import type { BreakerConfig } from '../../config/config.ts';
import { type BreakerVerdict, etcdTimeoutMs } from '../../etcd/outcomes.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Deadline, type Deadlines } from '../../runtime/deadlines.ts';
import { jittered, type Random } from '../../runtime/random.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * What `admit` answers: 0 refuses the call, anything else is handed back to `settle`. It is the number of the period
 * between two changes of state in which the call began; a verdict from an earlier period is not heard. Negative for a call
 * that is no probe.
 */
export type Ticket = number;
export const refused: Ticket = 0;

/** What all breakers of a process share. */
export interface BreakerParts {
  readonly config: BreakerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  /** The breakers whose window has to be moved on: they call `rotate` of each, `windowBuckets` times per window. */
  readonly live: { add(breaker: Breaker): void; delete(breaker: Breaker): void };
}

/** Buckets that make up the window; it moves on by one of them at a time. */
export const windowBuckets = 10;

/** A probe that says nothing for this long has failed. Longer than etcd itself takes to give up. */
const probeTimeoutMs = etcdTimeoutMs + 1_000;

/** Closed for this long, and the next open time is the first one again. */
const healthyMs = 60_000;

/** Open times vary by this share, so that the breakers of many processes do not probe in step. */
const jitterShare = 0.33;

type Circuit = CircuitBreaker<[isFailure: boolean]>;

/** Thrown at opossum, never further. One object, so that no stack is captured per failure. */
const failure = new Error('the call failed');
const success = Promise.resolve();

/** What opossum runs in place of a call. */
function outcome(isFailure: boolean): Promise<void> {
  if (isFailure) throw failure;
  return success;
}

/** The promise of a fire repeats what was thrown at it. */
function ignore(): void {}

export class Breaker extends Deadline {
  readonly #parts: BreakerParts;
  readonly #onState: (state: BreakerState) => void;
  /** Null: closed with an empty window. Most tenants are quiet most of the time, and a circuit takes kilobytes. */
  #circuit: Circuit | null = null;
  readonly #rotation = new EventEmitter();
  #period: Ticket = 1;
  #isProbing = false;
  /** The first of a pair of half failures was seen. */
  #halfFailed = false;
  /** Times it opened since it was last healthy. */
  #openings = 0;
  #closedAtMs = Number.NEGATIVE_INFINITY;
  #openUntilMs = 0;
  #quietBuckets = 0;
  /** While closed, and not told yet. */
  #successes = 0;
  #isShut = false;

  constructor(parts: BreakerParts, onState: (state: BreakerState) => void) {
    super();
    this.#parts = parts;
    this.#onState = onState;
  }

  get state(): BreakerState {
    if (this.#circuit === null || this.#circuit.closed) return 'closed';
    return this.#circuit.halfOpen ? 'half-open' : 'open';
  }

  /** May a call be sent? Half-open, one may: the probe, and whoever gets the ticket must settle it or let it time out. */
  admit(): Ticket {
    const circuit = this.#circuit;
    if (circuit === null || circuit.closed) return this.#period;
    if (!circuit.halfOpen || this.#isProbing) return refused;
    this.#isProbing = true;
    this.#parts.deadlines.add(this, this.#parts.clock.nowMs() + probeTimeoutMs);
    return this.#period;
  }

  /**
   * As `admit`, for a call that may wait for other clients as long as they please: half-open it passes, but is not the
   * probe, whose time is limited. Its end counts like any other.
   */
  admitWaiting(): Ticket {
    return this.#circuit === null || !this.#circuit.opened ? -this.#period : refused;
  }

  /** How a call went that `admit` let through. At most once per ticket, except for `refused`, which is not heard. */
  settle(ticket: Ticket, verdict: BreakerVerdict): void {
    if (Math.abs(ticket) !== this.#period || this.#isShut) return;
    if (this.#isProbing && ticket > 0) this.#settleProbe(verdict);
    else this.#count(verdict);
  }

  /** Milliseconds after which a refused client may try again. While a probe is under way nobody knows. */
  get retryAfterMs(): number {
    const openMs = Math.ceil(this.#openUntilMs - this.#parts.clock.nowMs());
    return openMs > 0 ? openMs : this.#parts.config.openMs;
  }

  /** Moves the window on by one bucket. A closed circuit whose whole window is empty is let go: nothing is lost. */
  rotate(): void {
    this.#tellSuccesses();
    this.#rotation.emit('rotate');
    this.#quietBuckets += 1;
    if (this.#quietBuckets >= windowBuckets && this.#circuit?.closed === true) this.#letGo();
  }

  /** Ends all timers. What is settled later is not heard. */
  close(): void {
    this.#isShut = true;
    this.#letGo();
  }

  /** The probe said nothing in time. Its call goes on; it has no vote any more. */
  override onDeadline(): void {
    if (this.#isProbing) this.#settleProbe('failure');
  }

  #settleProbe(verdict: BreakerVerdict): void {
    this.#parts.deadlines.remove(this);
    switch (verdict) {
      case 'success':
        this.#fire(false);
        return;
      case 'failure':
        this.#fire(true);
        return;
      case 'half-failure':
      case 'overload':
      case 'neutral':
        // As long as the last time: nothing was learnt. The next probe comes after that.
        this.#circuit?.open();
        return;
    }
  }

  #count(verdict: BreakerVerdict): void {
    switch (verdict) {
      case 'success':
        if (this.#wake().closed) this.#successes += 1;
        else this.#fire(false);
        return;
      case 'failure':
        this.#fire(true);
        return;
      case 'half-failure':
        this.#halfFailed = !this.#halfFailed;
        if (!this.#halfFailed) this.#fireDiluted();
        return;
      case 'overload':
      case 'neutral':
        return;
    }
  }

  /** A failure that cannot open it alone: in the same bucket stand as many successes as keep it at the threshold. */
  #fireDiluted(): void {
    this.#successes += Math.ceil(100 / this.#parts.config.errorPercent) - 1;
    this.#fire(true);
  }

  /** There is something to be counted. */
  #wake(): Circuit {
    this.#quietBuckets = 0;
    this.#circuit ??= this.#newCircuit();
    return this.#circuit;
  }

  /** A closed circuit looks at how many calls there were and how many of them failed, and at nothing else. */
  #tellSuccesses(): void {
    for (let i = 0; i < this.#successes; i++) this.#circuit?.status.increment('fires');
    this.#successes = 0;
  }

  /** Tells opossum an outcome. A failure takes effect before this returns, a success in a microtask. */
  #fire(isFailure: boolean): void {
    const circuit = this.#wake();
    this.#tellSuccesses();
    if (!isFailure) {
      void circuit.fire(false);
      return;
    }
    if (circuit.closed && this.#isHealthy()) this.#openings = 0;
    // opossum reads it while it opens, before anybody hears of that.
    circuit.options.resetTimeout = this.#nextOpenMs();
    circuit.fire(true).catch(ignore);
    // A probe that taught nothing opens it again too, but is no reason to wait longer the next time.
    if (circuit.opened) this.#openings += 1;
  }

  #isHealthy(): boolean {
    return this.#parts.clock.nowMs() - this.#closedAtMs >= healthyMs;
  }

  #nextOpenMs(): number {
    const { config, random } = this.#parts;
    const openMs = Math.min(config.openMs * 2 ** this.#openings, config.openMaxMs);
    return Math.min(jittered(random, openMs, jitterShare), config.openMaxMs);
  }

  #newCircuit(): Circuit {
    const { config } = this.#parts;
    const circuit: Circuit = new CircuitBreaker(outcome, {
      timeout: false,
      resetTimeout: config.openMs,
      errorThresholdPercentage: config.errorPercent,
      volumeThreshold: config.callsMin,
      rollingCountTimeout: config.windowMs,
      rollingCountBuckets: windowBuckets,
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      rotateBucketController: this.#rotation,
    });
    circuit.on('open', () => this.#onOpen(circuit));
    circuit.on('halfOpen', () => this.#newPeriod('half-open'));
    circuit.on('close', () => this.#onClose());
    this.#parts.live.add(this);
    return circuit;
  }

  #onOpen(circuit: Circuit): void {
    this.#openUntilMs = this.#parts.clock.nowMs() + circuit.options.resetTimeout;
    this.#newPeriod('open');
  }

  #onClose(): void {
    this.#closedAtMs = this.#parts.clock.nowMs();
    // With the old window one more failure would open it at once.
    this.#letGo();
    this.#newPeriod('closed');
  }

  #newPeriod(state: BreakerState): void {
    this.#period += 1;
    this.#isProbing = false;
    this.#onState(state);
  }

  #letGo(): void {
    this.#parts.deadlines.remove(this);
    if (this.#circuit === null) return;
    this.#circuit.shutdown();
    this.#circuit = null;
    this.#successes = 0;
    this.#parts.live.delete(this);
  }
}
