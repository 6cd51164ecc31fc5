/**
 * The metrics of several worker processes as one. Counters, histograms and most gauges are summed; the gauges in the table
 * below are not. Metrics of the process itself are not aggregated, but get the label `worker`.
 *
 * A sum must not fall when a worker ends, because Prometheus would take that for a reset and count everything again. So the
 * last counts of ended workers stay part of the sums, and so do those of a worker that does not respond in time.
 */
import type { MetricsSnapshot } from './metrics.ts';
import type { MetricFamily, Sample } from './scraped-metric.ts';

type Combine = (one: number, other: number) => number;

const sum: Combine = (one, other) => one + other;

/** Gauges that are not summed. */
const combineGauge: ReadonlyMap<string, Combine> = new Map<string, Combine>([
  // The worst state: open is larger than closed.
  ['etcd_bulkhead_breaker_state', Math.max],
  // 0 as soon as one worker cannot reach the endpoint.
  ['etcd_bulkhead_upstream_up', Math.min],
  ['etcd_bulkhead_build_info', Math.max],
  // Workers that serve the same tenants find the same.
  ['etcd_bulkhead_findings', Math.max],
]);

export class WorkerMetrics {
  readonly #latest = new Map<number, MetricsSnapshot>();
  /** Sums over all ended workers. */
  #ended: readonly MetricFamily[] = [];

  collected(worker: number, snapshot: MetricsSnapshot): void {
    this.#latest.set(worker, snapshot);
  }

  /** Keeps the counts that were collected last. Gauges end with their process. */
  ended(worker: number): void {
    const counts = this.#latest.get(worker)?.own.filter(({ type }) => type !== 'gauge') ?? [];
    this.#ended = merged([this.#ended, counts]);
    this.#latest.delete(worker);
  }

  /** `primary` are metrics that the process that supervises the workers has in common with them. */
  aggregated(primary: readonly MetricFamily[]): readonly MetricFamily[] {
    return merged([this.#ended, ...Array.from(this.#latest.values(), ({ own }) => own), primary]);
  }

  /** Metrics of the processes, by worker. `primary` are those of the process that supervises them. */
  ofProcesses(primary: readonly MetricFamily[]): readonly MetricFamily[] {
    const byWorker = [...this.#latest].sort(([one], [other]) => one - other);
    return merged([
      labelled(primary, 'primary'),
      ...byWorker.map(([worker, { process }]) => labelled(process, `${worker}`)),
    ]);
  }
}

function labelled(families: readonly MetricFamily[], worker: string): readonly MetricFamily[] {
  return families.map((family) => ({
    ...family,
    values: family.values.map((sample) => ({ ...sample, labels: { ...sample.labels, worker } })),
  }));
}

interface MergingFamily {
  readonly family: MetricFamily;
  readonly samples: Map<string, Sample>;
}

/** Combines samples with equal names and labels. The order is that of the first occurrence. */
function merged(parts: readonly (readonly MetricFamily[])[]): readonly MetricFamily[] {
  const byName = new Map<string, MergingFamily>();
  for (const family of parts.flat()) {
    const merging = byName.get(family.name) ?? { family, samples: new Map<string, Sample>() };
    byName.set(family.name, merging);
    const combine = combineGauge.get(family.name) ?? sum;
    for (const sample of family.values) {
      const key = keyOf(sample);
      const before = merging.samples.get(key);
      merging.samples.set(
        key,
        before === undefined ? sample : { ...before, value: combine(before.value, sample.value) },
      );
    }
  }
  return Array.from(byName.values(), ({ family, samples }) => ({
    ...family,
    values: [...samples.values()],
  }));
}

function keyOf({ metricName = '', labels }: Sample): string {
  return JSON.stringify([metricName, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
