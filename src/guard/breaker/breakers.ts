/**
 * All breakers of the process: one per tenant and breaker class, created on first use. One timer rotates all windows; it runs
 * only while a breaker is live.
 */
import type { BreakerConfig } from '../../config/sections/breaker.ts';
import { type BreakerClass, breakerClasses } from '../../etcd/methods.ts';
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

/** A breaker that is not closed, or that an operator has forced into its state. */
export interface NotedBreaker {
  readonly tenant: string;
  readonly breaker: BreakerClass;
  readonly state: BreakerState;
  readonly isForced: boolean;
}

interface TenantBreakers {
  readonly byClass: Partial<Record<BreakerClass, Breaker>>;
  isRetired: boolean;
}

export class Breakers {
  readonly #parts: BreakerParts;
  readonly #onState: OnBreakerState | null;
  /** Breakers are part of the tenant's state and live as long as it does. */
  readonly #ofTenant = new StatePart<TenantBreakers>(() => ({ byClass: {}, isRetired: false }));
  /** The breakers whose window may have to be rotated. */
  readonly #live = new Set<Breaker>();
  /** Those that are not closed or are forced, with what they are for. */
  readonly #noted = new Map<Breaker, { readonly tenant: string; readonly breaker: BreakerClass }>();
  #cancelTimer: CancelTimer | null = null;

  constructor({ config, clock, random, deadlines, onState }: BreakersOptions) {
    const onLive = (breaker: Breaker, isLive: boolean) => {
      if (isLive) this.#live.add(breaker);
      else this.#live.delete(breaker);
      if (isLive) this.#startTimer();
    };
    this.#parts = { config, clock, random, deadlines, onLive };
    this.#onState = onState;
  }

  /** How many breakers are not closed with an empty window. */
  get liveCount(): number {
    return this.#live.size;
  }

  /** Returns null if breakers are disabled, or if the tenant was removed before it had this one. */
  of(state: TenantState, breakerClass: BreakerClass): Breaker | null {
    if (!this.#parts.config.enabled) return null;
    const { byClass, isRetired } = state.get(this.#ofTenant);
    if (isRetired) return byClass[breakerClass] ?? null;
    byClass[breakerClass] ??= this.#create(state.tenantName, breakerClass);
    return byClass[breakerClass];
  }

  /** The breakers that are not closed, or that an operator has forced. */
  get noted(): readonly NotedBreaker[] {
    return Array.from(this.#noted, ([{ state, isForced }, of]) => ({ ...of, state, isForced }));
  }

  #create(tenant: string, breakerClass: BreakerClass): Breaker {
    const breaker: Breaker = new Breaker(this.#parts, (state) => {
      if (state === 'closed' && !breaker.isForced) this.#noted.delete(breaker);
      else this.#noted.set(breaker, { tenant, breaker: breakerClass });
      this.#onState?.(tenant, breakerClass, state);
    });
    return breaker;
  }

  /** For a tenant that a reload has removed: ends its timers. Its remaining calls are admitted; their verdicts are ignored. */
  retire(state: TenantState): void {
    const breakers = state.get(this.#ofTenant);
    breakers.isRetired = true;
    for (const breakerClass of breakerClasses) {
      const breaker = breakers.byClass[breakerClass];
      if (breaker === undefined) continue;
      this.#noted.delete(breaker);
      breaker.close();
    }
  }

  /** Ends all timers. Verdicts of calls in flight are ignored. */
  close(): void {
    for (const breaker of this.#live) breaker.close();
    this.#cancelTimer?.();
  }

  #startTimer(): void {
    const { clock, config } = this.#parts;
    this.#cancelTimer ??= clock.after(config.windowMs / windowBuckets, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    this.#cancelTimer = null;
    for (const breaker of this.#live) breaker.rotate();
    if (this.#live.size > 0) this.#startTimer();
  };
}
