/**
 * Metrics of the limits per tenant and per process. The label `limit` is the setting, so a limit of a tenant and the total of
 * the process are different series. Tenants that use nothing have no gauges, so that many idle tenants cost no scrape.
 */
import type { Metric } from 'prom-client';
import type { UsageLimits } from '../config/sections/usage-limits.ts';
import { type MetricType, type Sample, scraped } from './scraped-metric.ts';

/** What a tenant, or all tenants together, use at present. */
export interface LimitedUse {
  readonly limits: UsageLimits;
  readonly openCalls: number;
  readonly openStreams: number;
  readonly openWatches: number;
  /** By the name of the limit. Only limits that have refused something. */
  readonly refusals: ReadonlyMap<string, number>;
}

export interface TenantUse {
  readonly tenantName: string;
  readonly usage: LimitedUse;
}

export interface LimitsUse {
  readonly tenants: readonly TenantUse[];
  readonly total: LimitedUse;
}

export class LimitMetrics {
  readonly #use: () => LimitsUse;
  /** Refusals of tenants that a reload has removed. They are still counted: a counter of several workers must not fall. */
  readonly #retired = new Map<string, Map<string, number>>();

  constructor(use: () => LimitsUse) {
    this.#use = use;
  }

  retired({ tenantName, usage }: TenantUse): void {
    for (const [limit, count] of usage.refusals) {
      let counts = this.#retired.get(tenantName);
      if (counts === undefined) {
        counts = new Map();
        this.#retired.set(tenantName, counts);
      }
      counts.set(limit, (counts.get(limit) ?? 0) + count);
    }
  }

  metrics(): Metric[] {
    const metric = (name: string, type: MetricType, help: string, of: () => readonly Sample[]) =>
      scraped(`etcd_bulkhead_limit${name}`, type, help, of);
    return [
      metric(
        '_refusals_total',
        'counter',
        'Calls, messages and creates of watches that a limit refused, by tenant and limit.',
        () => this.#refusals(),
      ),
      metric(
        '_use',
        'gauge',
        'What counts toward a limit at present, by tenant and limit, of tenants that use anything. Without a tenant: of all together.',
        () => this.#gauges(({ use }) => use),
      ),
      metric(
        '',
        'gauge',
        'The limits that etcd_bulkhead_limit_use counts toward. A limit that is switched off is missing.',
        () => this.#gauges(({ max }) => max),
      ),
    ];
  }

  #refusals(): readonly Sample[] {
    const sums = new Map<string, { tenant: string; limit: string; value: number }>();
    const add = (tenant: string, counts: ReadonlyMap<string, number>): void => {
      for (const [limit, count] of counts) {
        const key = `${tenant} ${limit}`;
        sums.set(key, { tenant, limit, value: (sums.get(key)?.value ?? 0) + count });
      }
    };
    for (const [tenant, counts] of this.#retired) add(tenant, counts);
    for (const { tenantName, usage } of this.#use().tenants) add(tenantName, usage.refusals);
    return Array.from(sums.values(), ({ tenant, limit, value }) => ({
      labels: { tenant, limit },
      value,
    }));
  }

  #gauges(figure: (row: Row) => number): readonly Sample[] {
    const { tenants, total } = this.#use();
    const samples: Sample[] = [];
    const add = (rows: readonly Row[], labels: Readonly<Record<string, string>>): void => {
      for (const row of rows) {
        const value = figure(row);
        if (value === Number.POSITIVE_INFINITY) continue;
        samples.push({ labels: { ...labels, limit: row.limit }, value });
      }
    };
    add(rowsOf(total, 'max-total-'), {});
    for (const { tenantName, usage } of tenants) {
      const { openCalls, openStreams, openWatches } = usage;
      if (openCalls + openStreams + openWatches === 0) continue;
      add(rowsOf(usage, 'max-'), { tenant: tenantName });
    }
    return samples;
  }
}

interface Row {
  readonly limit: string;
  readonly use: number;
  readonly max: number;
}

function rowsOf(usage: LimitedUse, prefix: 'max-' | 'max-total-'): readonly Row[] {
  const { limits, openCalls, openStreams, openWatches } = usage;
  return [
    { limit: `${prefix}open-calls`, use: openCalls, max: limits.openCallsMax },
    { limit: `${prefix}open-streams`, use: openStreams, max: limits.openStreamsMax },
    { limit: `${prefix}open-watches`, use: openWatches, max: limits.openWatchesMax },
  ];
}
