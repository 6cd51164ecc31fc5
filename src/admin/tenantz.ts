/**
 * The page /tenantz: every tenant with its calls, bytes, durations, breakers and limits. Counts are since the start, so a reader
 * computes rates from two readings. Compact, because a dashboard reads it every second.
 */
import type { Clock } from '../runtime/clock.ts';
import { type DurationCounts, durationQuantile } from '../tenant/recent-durations.ts';
import type { TenantReport } from './reports.ts';

/** No reader may ask for an older page. */
const keptMs = 1_000;

type Reports = readonly TenantReport[] | Promise<readonly TenantReport[]>;

export class TenantPage {
  readonly #clock: Clock;
  readonly #tenants: () => Reports;
  #newest: { readonly page: Promise<string>; readonly startedMs: number } | null = null;

  constructor(clock: Clock, tenants: () => Reports) {
    this.#clock = clock;
    this.#tenants = tenants;
  }

  /** A page that is at most this old, so that several dashboards cost as much as one. 0: a new one. */
  read(maxAgeMs: number): Promise<string> {
    const nowMs = this.#clock.nowMs();
    const newest = this.#newest;
    if (newest !== null && nowMs - newest.startedMs < maxAgeMs) return newest.page;
    const page = this.#make();
    const reading = { page, startedMs: nowMs };
    this.#newest = reading;
    const forget = (): void => {
      if (this.#newest === reading) this.#newest = null;
    };
    // A failed page is not shared, and an old one is not kept in memory.
    page.catch(forget);
    this.#clock.after(keptMs, forget);
    return page;
  }

  async #make(): Promise<string> {
    const reports = await this.#tenants();
    const now = new Date(this.#clock.epochMs()).toISOString();
    return `${JSON.stringify({ now, tenants: reports.map(tenantRow) })}\n`;
  }
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
