/** Metrics whose samples are computed at a scrape, from figures that the data path keeps in plain fields. */
import type { Metric } from 'prom-client';

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/**
 * A metric whose samples are computed at a scrape. A registry only calls `get` and reads `name` of its metrics (prom-client
 * lib/registry.js). The library's types allow only its own four classes, and none of them can be filled by a function.
 */
export function scraped(
  name: string,
  type: 'counter' | 'gauge' | 'histogram',
  help: string,
  samples: () => readonly Sample[],
): Metric {
  const metric = { name, get: async () => ({ name, help, type, values: samples() }) };
  return metric as unknown as Metric;
}
