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

type Use = Omit<TenantReport, 'tenant' | 'namespace' | 'feeds' | 'breakers'>;

/** Of a tenant without calls. */
const noUse: Use = {
  ...{ calls: 0, errors: 0, refused: 0, requestBytes: 0, responseBytes: 0, durations: [] },
  ...{ openCalls: 0, streams: 0, watches: 0, leases: null, limits: [] },
};

/** In the order of the configuration. */
export function tenantReports(parts: TenantReportParts): readonly TenantReport[] {
  const directory = parts.directory.current;
  const breakers = breakersByTenant(parts.breakers);
  const feeds = parts.hub.feedCounts;
  const nowMs = parts.clock.nowMs();
  return directory.tenants.map(({ name, state }) => ({
    tenant: name,
    namespace: directory.configOf(name)?.namespace ?? '',
    ...useOf(state, nowMs),
    feeds: feeds.get(state) ?? 0,
    breakers: breakers.get(name) ?? [],
  }));
}

function useOf(state: TenantState, nowMs: number): Use {
  if (!state.hasTraffic) return noUse;
  const { traffic, usage } = state;
  return {
    calls: traffic.calls,
    errors: traffic.errors,
    refused: traffic.refused,
    requestBytes: traffic.requestBytes,
    responseBytes: traffic.responseBytes,
    durations: traffic.durations.recent(nowMs),
    openCalls: usage.openCalls,
    streams: usage.openStreams,
    watches: usage.openWatches,
    leases: null,
    limits: limitsInUse(usage, nowMs),
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
