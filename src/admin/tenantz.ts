/**
 * The page /tenantz: every tenant with its calls, bytes, durations, breakers and limits. Counts are since the start, so a reader
 * computes rates from two readings. Compact, because a dashboard reads it every second.
 */
import { type DurationCounts, durationQuantile } from '../tenant/recent-durations.ts';
import type { TenantReport } from './reports.ts';

/** `now` is in ISO 8601. */
export function tenantPage(reports: readonly TenantReport[], now: string): string {
  return JSON.stringify({ now, tenants: reports.map(tenantRow) });
}

function tenantRow(report: TenantReport): unknown {
  const { durations } = report;
  return {
    tenant: report.tenant,
    namespace: report.namespace,
    calls: report.calls,
    errors: report.errors,
    refused: report.refused,
    requestBytes: report.requestBytes,
    responseBytes: report.responseBytes,
    p50Ms: quantile(durations, 0.5),
    p99Ms: quantile(durations, 0.99),
    openCalls: report.openCalls,
    streams: report.streams,
    watches: report.watches,
    feeds: report.feeds,
    leases: report.leases,
    breakers: report.breakers,
    limits: report.limits,
  };
}

/** To the microsecond, which is finer than the buckets. */
function quantile(durations: DurationCounts, share: number): number | null {
  const ms = durationQuantile(durations, share);
  return ms === null ? null : Math.round(ms * 1_000) / 1_000;
}
