/**
 * `/metrics` for tenants: what tools for etcd read, such as `etcdctl check datascale`. Clients need no identity for it, as at
 * etcd. So it has only metrics of the process as a whole. Those of calls, tenants and the upstream are on the admin address.
 */
import type { Page } from './page.ts';

/** CPU time and event-loop lag are left out, because they show when other tenants are active. */
export const visibleMetrics = [
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_start_time_seconds',
] as const;

export type VisibleMetric = (typeof visibleMetrics)[number];

/** `exposition` returns one metric in Prometheus' text format. */
export async function metricsPage(
  exposition: (metric: VisibleMetric) => Promise<string>,
): Promise<Page> {
  const found = await Promise.all(visibleMetrics.map((name) => exposition(name)));
  const type = 'text/plain; version=0.0.4; charset=utf-8';
  return { code: 200, type, body: `${found.join('\n\n')}\n` };
}
