/**
 * All breakers of the process: one per tenant and breaker class, created on first use. One timer rotates all windows; it runs
 * only while a breaker is live.
 */
import type { BreakerConfig } from '../../config/sections/breaker.ts';
import type { BreakerClass } from '../../etcd/methods.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import type { Deadlines } from '../../runtime/deadlines.ts';
import type { Random } from '../../runtime/random.ts';
import { StatePart, type TenantState } from '../../tenant/state.ts';
import { Breaker, type BreakerParts, type BreakerState } from './breaker.ts';
import { windowBuckets } from './trip-window.ts';

/** Called for each transition, for logs and metrics. */
export type OnBreakerState = (
  tenant: string,
  breakerClass: BreakerClass,
  state: BreakerState,
) => void;

export interface BreakersOptions {
  readonly config: BreakerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly deadlines: Deadlines;
  readonly onState: OnBreakerState | null;
}

type TenantBreakers = Partial<Record<BreakerClass, Breaker>>;

export class Breakers {
  readonly #parts: BreakerParts;
  readonly #onState: OnBreakerState | null;
  /** Breakers are part of the tenant's state and live as long as it does. */
  readonly #ofTenant = new StatePart<TenantBreakers>(() => ({}));
  readonly #live: LiveBreakers;

  constructor({ config, clock, random, deadlines, onState }: BreakersOptions) {
    this.#live = new LiveBreakers(clock, config.windowMs / windowBuckets);
    this.#parts = { config, clock, random, deadlines, live: this.#live };
    this.#onState = onState;
  }

  /** How many breakers are not closed with an empty window. */
  get liveCount(): number {
    return this.#live.count;
  }

  /** Returns null if breakers are disabled. */
  of(state: TenantState, breakerClass: BreakerClass): Breaker | null {
    if (!this.#parts.config.enabled) return null;
    const breakers = state.get(this.#ofTenant);
    breakers[breakerClass] ??= new Breaker(this.#parts, (breakerState) =>
      this.#onState?.(state.tenantName, breakerClass, breakerState),
    );
    return breakers[breakerClass];
  }

  /** Ends all timers. Verdicts of calls in flight are ignored. */
  close(): void {
    this.#live.close();
  }
}

/** The breakers whose window may have to be rotated, and the timer that does it. */
class LiveBreakers {
  readonly #clock: Clock;
  readonly #bucketMs: number;
  readonly #breakers = new Set<Breaker>();
  #cancelTimer: CancelTimer | null = null;

  constructor(clock: Clock, bucketMs: number) {
    this.#clock = clock;
    this.#bucketMs = bucketMs;
  }

  get count(): number {
    return this.#breakers.size;
  }

  add(breaker: Breaker): void {
    this.#breakers.add(breaker);
    this.#cancelTimer ??= this.#clock.after(this.#bucketMs, this.#onTimer);
  }

  delete(breaker: Breaker): void {
    this.#breakers.delete(breaker);
  }

  close(): void {
    for (const breaker of this.#breakers) breaker.close();
    this.#cancelTimer?.();
  }

  readonly #onTimer = (): void => {
    this.#cancelTimer = null;
    for (const breaker of this.#breakers) breaker.rotate();
    if (this.#breakers.size > 0) {
      this.#cancelTimer = this.#clock.after(this.#bucketMs, this.#onTimer);
    }
  };
}
