/** Memory, CPU and event-loop lag. They are measured once per process, which may run several proxies. */
import { collectDefaultMetrics, Registry } from 'prom-client';

let shared: Registry | null = null;

/** The first call starts the measurement of event-loop lag. */
export function processRegistry(): Registry {
  if (shared === null) {
    shared = new Registry();
    collectDefaultMetrics({ register: shared });
  }
  return shared;
}

/** One of these metrics in Prometheus' text format; empty if the system does not have it. */
export async function processMetric(name: string): Promise<string> {
  const registry = processRegistry();
  return registry.getSingleMetric(name) === undefined ? '' : registry.getSingleMetricAsString(name);
}
