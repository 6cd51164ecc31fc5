/** Metrics whose samples are computed at a scrape, from figures that the data path keeps in plain fields. */
import type { Metric, Registry } from 'prom-client';

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

export type MetricType = 'counter' | 'gauge' | 'histogram' | 'summary';

/** One metric with its samples. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly values: readonly Sample[];
}

/**
 * A metric whose samples are computed at a scrape. A registry only calls `get` and reads `name` of its metrics (prom-client
 * lib/registry.js). The library's types allow only its own four classes, and none of them can be filled by a function.
 */
export function scraped(
  name: string,
  type: MetricType,
  help: string,
  samples: () => readonly Sample[],
): Metric {
  const metric = { name, get: async () => ({ name, help, type, values: samples() }) };
  return metric as unknown as Metric;
}

/** The metrics of a registry as plain data. */
export async function familiesOf(registry: Registry): Promise<readonly MetricFamily[]> {
  const metrics = (await registry.getMetricsAsJSON()) as unknown as readonly MetricFamily[];
  return metrics.map(({ name, help, type, values }) => ({
    name,
    help,
    type,
    values: values.map(({ labels, value, metricName }) => ({
      labels,
      value,
      ...(metricName !== undefined && { metricName }),
    })),
  }));
}
