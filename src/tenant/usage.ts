/**
 * What one tenant, or all tenants of the process together, use of what the limits bound: counters that the layers raise and
 * lower, and what is left of the rates. It is part of the state of a tenant, so a reload replaces the limits and keeps the
 * counts.
 */
import { noLimits, type UsageLimits } from '../config/sections/usage-limits.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';

/** Every limit, by the setting that it is configured with. Those with `total` are of all tenants together. */
export const limitNames = [
  'max-calls-per-second',
  'max-open-calls',
  'max-open-streams',
  'max-open-watches',
  'max-leases-per-minute',
  'max-request-bytes',
  'max-total-calls-per-second',
  'max-total-open-calls',
  'max-total-open-streams',
  'max-total-open-watches',
] as const;

export type LimitName = (typeof limitNames)[number];

export class Usage {
  /** Replaced by a reload. */
  limits: UsageLimits = noLimits;
  /** Unary calls that have not ended, except those that wait for other clients. */
  openCalls = 0;
  /** Streams, and calls that wait for other clients. */
  openStreams = 0;
  openWatches = 0;
  readonly callTokens = new TokenBucket();
  readonly leaseTokens = new TokenBucket();
  /** Calls, messages and creates of this tenant that a limit has refused, by the index of `limitNames`. */
  readonly #refusals: number[] = limitNames.map(() => 0);

  refused(limit: LimitName): void {
    const index = limitNames.indexOf(limit);
    this.#refusals[index] = (this.#refusals[index] ?? 0) + 1;
  }

  /** How often this limit has refused something. */
  refusalsBy(limit: LimitName): number {
    return this.#refusals[limitNames.indexOf(limit)] ?? 0;
  }

  /** How often each limit has refused something. Without limits that never have. */
  get refusals(): ReadonlyMap<LimitName, number> {
    const counts = limitNames.map((limit, index) => [limit, this.#refusals[index] ?? 0] as const);
    return new Map(counts.filter(([, count]) => count > 0));
  }
}
