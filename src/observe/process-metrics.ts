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
