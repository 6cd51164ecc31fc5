/**
 * The tenants of several workers as one list. Everything is summed: a limit applies in each worker, so that all together permit
 * as many times the limit. A breaker has the worst of its states.
 *
 * Counts must not fall when a worker ends, because a reader would take that for a negative rate. So the last counts of ended
 * workers stay part of the sums, and so does the report of a worker that does not respond in time.
 */
import type { LimitReport, TenantBreakerReport, TenantReport } from '../admin/reports.ts';
import { mergedBy } from '../runtime/merged-by.ts';
import { sumOfDurations } from '../tenant/recent-durations.ts';

const countNames = ['calls', 'errors', 'refused', 'requestBytes', 'responseBytes'] as const;
const gaugeNames = ['openCalls', 'streams', 'watches', 'feeds', 'leases'] as const;

type Counts = Record<(typeof countNames)[number], number>;

const severity: Readonly<Record<TenantBreakerReport['state'], number>> = {
  closed: 0,
  'half-open': 1,
  open: 2,
};

export class WorkerTenants {
  readonly #latest = new Map<number, readonly TenantReport[]>();
  /** Sums over all ended workers, by tenant. */
  readonly #ended = new Map<string, Counts>();

  collected(worker: number, reports: readonly TenantReport[]): void {
    this.#latest.set(worker, reports);
  }

  /** Keeps the counts that were collected last. Everything else ends with the worker. */
  ended(worker: number): void {
    for (const report of this.#latest.get(worker) ?? []) {
      if (report.calls === 0) continue;
      const sums = this.#ended.get(report.tenant) ?? noCounts();
      for (const name of countNames) sums[name] += report[name];
      this.#ended.set(report.tenant, sums);
    }
    this.#latest.delete(worker);
  }

  /** Forgets the tenants that are not configured any more. `configured` has the names of the others. */
  retain(configured: ReadonlySet<string>): void {
    for (const [worker, reports] of this.#latest) {
      this.#latest.set(
        worker,
        reports.filter(({ tenant }) => configured.has(tenant)),
      );
    }
    for (const tenant of this.#ended.keys()) {
      if (!configured.has(tenant)) this.#ended.delete(tenant);
    }
  }

  /** In the order of the configuration. */
  merged(): readonly TenantReport[] {
    const reports = [...this.#latest.values()].flat();
    return mergedBy(reports, ({ tenant }) => tenant, sumOf).map((report) => {
      const ended = this.#ended.get(report.tenant);
      return ended === undefined ? report : { ...report, ...countsOf(report, ended) };
    });
  }
}

function noCounts(): Counts {
  return { calls: 0, errors: 0, refused: 0, requestBytes: 0, responseBytes: 0 };
}

function countsOf(one: Counts, other: Counts): Counts {
  const sums = noCounts();
  for (const name of countNames) sums[name] = one[name] + other[name];
  return sums;
}

function sumOf(one: TenantReport, other: TenantReport): TenantReport {
  const gauges = Object.fromEntries(gaugeNames.map((name) => [name, one[name] + other[name]]));
  return {
    ...one,
    ...countsOf(one, other),
    ...gauges,
    durations: sumOfDurations(one.durations, other.durations),
    breakers: mergedBy([...one.breakers, ...other.breakers], (each) => each.class, worseOf),
    limits: mergedBy([...one.limits, ...other.limits], ({ name }) => name, sumOfLimits),
  };
}

function worseOf(one: TenantBreakerReport, other: TenantBreakerReport): TenantBreakerReport {
  return severity[other.state] > severity[one.state] ? other : one;
}

function sumOfLimits(one: LimitReport, other: LimitReport): LimitReport {
  return {
    name: one.name,
    used: one.used + other.used,
    limit: one.limit + other.limit,
    refused: one.refused + other.refused,
  };
}
