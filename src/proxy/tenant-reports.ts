/** The report of every tenant of this process, for /tenantz. */
import type { TenantBreakerReport, TenantReport } from '../admin/reports.ts';
import type { Breakers } from '../guard/breaker/breakers.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Directory } from '../tenant/directory.ts';
import { limitsInUse } from '../tenant/limits-in-use.ts';
import type { TenantState } from '../tenant/state.ts';
import type { WatchHub } from '../watch/hub/hub.ts';

export interface TenantReportParts {
  readonly directory: { readonly current: Directory };
  readonly clock: Clock;
  readonly breakers: Breakers;
  readonly hub: WatchHub;
}

/** In the order of the configuration. */
export function tenantReports(parts: TenantReportParts): readonly TenantReport[] {
  const directory = parts.directory.current;
  const breakers = breakersByTenant(parts.breakers);
  const feeds = parts.hub.feedCounts;
  const nowMs = parts.clock.nowMs();
  return directory.tenants.map(({ name, state }) => {
    const namespace = directory.configOf(name)?.namespace ?? '';
    return reportOf(name, namespace, state, feeds.get(state) ?? 0, breakers.get(name), nowMs);
  });
}

const none: readonly never[] = [];

function reportOf(
  tenant: string,
  namespace: string,
  state: TenantState,
  feeds: number,
  breakers: readonly TenantBreakerReport[] = none,
  nowMs: number,
): TenantReport {
  // Tenants without calls have no counters.
  const traffic = state.hasTraffic ? state.traffic : null;
  const usage = state.hasTraffic ? state.usage : null;
  return {
    tenant,
    namespace,
    calls: traffic?.calls ?? 0,
    errors: traffic?.errors ?? 0,
    refused: traffic?.refused ?? 0,
    requestBytes: traffic?.requestBytes ?? 0,
    responseBytes: traffic?.responseBytes ?? 0,
    durations: traffic?.durations.recent(nowMs) ?? none,
    openCalls: usage?.openCalls ?? 0,
    streams: usage?.openStreams ?? 0,
    watches: usage?.openWatches ?? 0,
    feeds,
    leases: traffic?.leases.count(nowMs) ?? 0,
    breakers,
    limits: usage === null ? none : limitsInUse(usage, nowMs),
  };
}

function breakersByTenant({ noted }: Breakers): ReadonlyMap<string, TenantBreakerReport[]> {
  const byTenant = new Map<string, TenantBreakerReport[]>();
  for (const { tenant, breaker, state, isForced } of noted) {
    const row = { class: breaker, state, forced: isForced };
    const rows = byTenant.get(tenant);
    if (rows === undefined) byTenant.set(tenant, [row]);
    else rows.push(row);
  }
  return byTenant;
}
