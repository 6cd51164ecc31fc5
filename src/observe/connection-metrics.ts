/** The metrics of client connections. */
import type { Metric } from 'prom-client';
import { scraped } from './scraped-metric.ts';

export interface ConnectionUsage {
  readonly connectionsMax: number;
  /** Open connections, by listener. */
  readonly open: ReadonlyMap<string, number>;
  /** How often each limit was reached. */
  readonly reached: ReadonlyMap<string, number>;
}

export function connectionMetrics(usage: () => ConnectionUsage): Metric[] {
  return [
    scraped(
      'etcd_bulkhead_client_connections',
      'gauge',
      'Open client connections, by listener.',
      () => [...usage().open].map(([listener, value]) => ({ labels: { listener }, value })),
    ),
    scraped(
      'etcd_bulkhead_client_connections_limit',
      'gauge',
      'Maximum of client connections of all listeners: --max-connections, or derived from file descriptors and memory.',
      () => [{ labels: {}, value: usage().connectionsMax }],
    ),
    scraped(
      'etcd_bulkhead_client_connection_limits_total',
      'counter',
      'How often a limit of client connections was reached, by reason: `limit` (closed when accepted), `displaced` (closed for another client), `tenant-limit` (a call was rejected), `handshake-timeout`, `descriptors`, `revoked` (client certificate), `pipelined` (HTTP/1.1 requests that wait).',
      () => [...usage().reached].map(([reason, value]) => ({ labels: { reason }, value })),
    ),
  ];
}
