/**
 * One circuit breaker of a tenant: its state, and which calls it admits. A call is admitted before it is sent and reports its
 * verdict once, when it has ended. While closed, the trip window decides whether the breaker opens.
 *
 * closed ─window trips→ open ─open time expires→ half-open ─a call succeeds→ closed
 *                        ↑                           │
 *                        └─ a call fails, or the probe ends without a result or exceeds its time limit
 *
 * An operator can force it open or closed. It then does not depend on calls, until it begins again as closed.
 */
import type { BreakerConfig } from '../../config/sections/breaker.ts';
import { type BreakerVerdict, etcdTimeoutMs } from '../../etcd/outcomes.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { Deadline, type Deadlines } from '../../runtime/deadlines.ts';
import { jittered, type Random } from '../../runtime/random.ts';
import { TripWindow } from './trip-window.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/**
 * Returned by `admit` and passed to `settle`. 0 rejects the call. Any other value is the number of the current period, which
 * is the time between two transitions. It is negative for a call that must not be the probe. Verdicts of earlier periods are
 * ignored.
 */
export type Ticket = number;
export const refused: Ticket = 0;
/** The verdict of a call that a forced breaker has admitted is ignored: this is the number of no period. */
const unjudged: Ticket = Number.MAX_SAFE_INTEGER;

/** What all breakers of the process share. */
export interface BreakerParts {
  readonly config: BreakerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  /**
   * A breaker is live unless it is closed with an empty window. A live breaker must be rotated `windowBuckets` times per window.
   */
  readonly onLive: (breaker: Breaker, isLive: boolean) => void;
}

/** Longer than etcd itself takes to give up. */
const probeTimeoutMs = etcdTimeoutMs + 1_000;

/** After this time in the closed state the next open time is the shortest one again. */
const healthyMs = 60_000;

/** Open times vary by this share, so that the breakers of many processes do not probe at the same moment. */
const jitterShare = 0.33;

/** `openings` counts how often the breaker opened since it was last healthy. */
type State =
  | {
      readonly at: 'closed';
      readonly openings: number;
      readonly sinceMs: number;
      /** Null if empty. Most tenants are idle most of the time, and a window takes kilobytes. */
      window: TripWindow | null;
    }
  | {
      readonly at: 'open';
      readonly openings: number;
      readonly openMs: number;
      readonly untilMs: number;
      readonly cancelTimer: CancelTimer;
    }
  | {
      readonly at: 'half-open';
      readonly openings: number;
      /** The last open time. */
      readonly openMs: number;
      isProbing: boolean;
    }
  | { readonly at: 'shut' };

type StateAt<At extends State['at']> = Extract<State, { at: At }>;

export class Breaker extends Deadline {
  readonly #parts: BreakerParts;
  readonly #onState: (state: BreakerState) => void;
  #state: State = { at: 'closed', openings: 0, sinceMs: Number.NEGATIVE_INFINITY, window: null };
  #period: Ticket = 1;
  #forced: 'open' | 'closed' | null = null;

  constructor(parts: BreakerParts, onState: (state: BreakerState) => void) {
    super();
    this.#parts = parts;
    this.#onState = onState;
  }

  get isForced(): boolean {
    return this.#forced !== null;
  }

  /** Null ends the forced state. In each case the breaker forgets the calls so far. */
  force(state: 'open' | 'closed' | null): void {
    if (this.#state.at === 'shut') return;
    this.#forced = state;
    const sinceMs = this.#parts.clock.nowMs();
    this.#enter({ at: 'closed', openings: 0, sinceMs, window: null });
  }

  get state(): BreakerState {
    if (this.#forced !== null) return this.#forced;
    return this.#state.at === 'shut' ? 'closed' : this.#state.at;
  }

  /** Whether a call may be sent. Half-open admits one call, the probe. It must be settled within its time limit. */
  admit(): Ticket {
    if (this.#forced !== null) return this.#forced === 'open' ? refused : unjudged;
    const state = this.#state;
    if (state.at === 'open') return refused;
    if (state.at === 'half-open') {
      if (state.isProbing) return refused;
      state.isProbing = true;
      this.#parts.deadlines.add(this, this.#parts.clock.nowMs() + probeTimeoutMs);
    }
    return this.#period;
  }

  /** For a call that may wait for other clients without a time limit. Half-open admits it too, but not as the probe. */
  admitWaiting(): Ticket {
    if (this.#forced !== null) return this.#forced === 'open' ? refused : unjudged;
    return this.#state.at === 'open' ? refused : -this.#period;
  }

  /** Reports how an admitted call ended. At most once per ticket; ignored for `refused`. */
  settle(ticket: Ticket, verdict: BreakerVerdict): void {
    const state = this.#state;
    if (ticket !== this.#period && ticket !== -this.#period) return;
    if (state.at === 'closed') this.#count(state, verdict);
    else if (state.at === 'half-open') this.#settleHalfOpen(state, verdict, ticket > 0);
  }

  /** Milliseconds after which a rejected client may retry. While a probe is in flight this is an estimate. */
  get retryAfterMs(): number {
    const { clock, config } = this.#parts;
    const openMs = this.#state.at === 'open' ? Math.ceil(this.#state.untilMs - clock.nowMs()) : 0;
    return openMs > 0 ? openMs : config.openMs;
  }

  /** Moves the window on by one bucket, and discards it if it is empty then. */
  rotate(): void {
    const state = this.#state;
    if (state.at !== 'closed' || state.window === null || state.window.rotate()) return;
    state.window.close();
    state.window = null;
    this.#parts.onLive(this, false);
  }

  /** Ends all timers. Later verdicts are ignored. */
  close(): void {
    this.#enter({ at: 'shut' });
  }

  /** The probe exceeded its time limit. The call continues, but its verdict no longer counts. */
  override onDeadline(): void {
    if (this.#state.at === 'half-open') this.#openLonger(this.#state.openings);
  }

  #count(state: StateAt<'closed'>, verdict: BreakerVerdict): void {
    switch (verdict) {
      case 'success':
        this.#windowOf(state).success();
        return;
      case 'failure':
        if (this.#windowOf(state).failure()) this.#trip(state);
        return;
      case 'half-failure':
        if (this.#windowOf(state).halfFailure()) this.#trip(state);
        return;
      case 'overload':
      case 'neutral':
        return;
      default:
        verdict satisfies never;
    }
  }

  #settleHalfOpen(state: StateAt<'half-open'>, verdict: BreakerVerdict, isProbe: boolean): void {
    switch (verdict) {
      case 'success':
        this.#enter({
          at: 'closed',
          openings: state.openings,
          sinceMs: this.#parts.clock.nowMs(),
          // A new window: with the old one the next failure would open the breaker again.
          window: null,
        });
        return;
      case 'failure':
        this.#openLonger(state.openings);
        return;
      case 'half-failure':
      case 'overload':
      case 'neutral':
        // The probe had no result: the next one follows after the same time.
        if (isProbe) this.#open(state.openings, state.openMs);
        return;
      default:
        verdict satisfies never;
    }
  }

  #windowOf(state: StateAt<'closed'>): TripWindow {
    if (state.window === null) {
      state.window = new TripWindow(this.#parts.config);
      this.#parts.onLive(this, true);
    }
    return state.window;
  }

  #trip({ sinceMs, openings }: StateAt<'closed'>): void {
    const isHealthy = this.#parts.clock.nowMs() - sinceMs >= healthyMs;
    this.#openLonger(isHealthy ? 0 : openings);
  }

  /** Opens for twice as long as the time before, up to `openMaxMs`. */
  #openLonger(openings: number): void {
    const { config, random } = this.#parts;
    const openMs = Math.min(config.openMs * 2 ** openings, config.openMaxMs);
    this.#open(openings + 1, Math.min(jittered(random, openMs, jitterShare), config.openMaxMs));
  }

  #open(openings: number, openMs: number): void {
    const { clock } = this.#parts;
    this.#enter({
      at: 'open',
      openings,
      openMs,
      untilMs: clock.nowMs() + openMs,
      cancelTimer: clock.after(openMs, () => {
        this.#enter({ at: 'half-open', openings, openMs, isProbing: false });
      }),
    });
  }

  /** Every transition: releases what the previous state holds and starts a new period. */
  #enter(next: State): void {
    const { onLive, deadlines } = this.#parts;
    const previous = this.#state;
    switch (previous.at) {
      case 'closed':
        previous.window?.close();
        break;
      case 'open':
        previous.cancelTimer();
        break;
      case 'half-open':
        deadlines.remove(this);
        break;
      case 'shut':
        return;
      default:
        previous satisfies never;
    }
    this.#state = next;
    this.#period += 1;
    if (next.at === 'closed' || next.at === 'shut') onLive(this, false);
    if (next.at !== 'shut') this.#onState(this.state);
  }
}
