/** How much of its limits a tenant uses, for operators: the limits of which something is used, and those that have refused something. */
import type { UsageLimits } from '../config/sections/usage-limits.ts';
import type { LimitName, Usage } from './usage.ts';

export interface LimitInUse {
  readonly name: LimitName;
  /** Of a rate: how much of the burst is used up. */
  readonly used: number;
  /** Of a rate: the burst. */
  readonly limit: number;
  /** How often it has refused something. */
  readonly refused: number;
}

/** `nowMs` is on the scale that the rates are measured on. */
export function limitsInUse(usage: Usage, nowMs: number): readonly LimitInUse[] {
  const { limits } = usage;
  const inUse: LimitInUse[] = [];
  const add = (name: LimitName, used: number, limit: number): void => {
    const refused = usage.refusalsBy(name);
    if (Number.isFinite(limit) && used + refused > 0) inUse.push({ name, used, limit, refused });
  };
  add('max-calls-per-second', usedCalls(usage, limits, nowMs), limits.callBurst);
  add('max-open-calls', usage.openCalls, limits.openCallsMax);
  add('max-open-streams', usage.openStreams, limits.openStreamsMax);
  add('max-open-watches', usage.openWatches, limits.openWatchesMax);
  add('max-leases-per-minute', usedLeases(usage, limits, nowMs), limits.leasesPerMinute);
  return inUse;
}

function usedCalls({ callTokens }: Usage, limits: UsageLimits, nowMs: number): number {
  return callTokens.taken(limits.callsPerSecond, limits.callBurst, nowMs);
}

function usedLeases({ leaseTokens }: Usage, { leasesPerMinute }: UsageLimits, nowMs: number) {
  return leaseTokens.taken(leasesPerMinute / 60, leasesPerMinute, nowMs);
}
