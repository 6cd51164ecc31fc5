/** The metrics of calls that share calls at etcd: keepalives and serializable reads. */
import type { Metric } from 'prom-client';
import { scraped } from './scraped-metric.ts';

export interface SharingUsage {
  readonly keepAlives: {
    readonly clientStreams: number;
    readonly upstreamStreams: number;
    readonly requests: number;
    readonly renewals: number;
    readonly repetitions: number;
  };
  readonly reads: { readonly joined: number };
}

export function sharingMetrics(usage: () => SharingUsage): Metric[] {
  const one = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: (usage: SharingUsage) => number,
  ): Metric =>
    scraped(`etcd_bulkhead_${name}`, type, help, () => [{ labels: {}, value: value(usage()) }]);
  return [
    one(
      'keepalive_client_streams',
      'gauge',
      'Keepalive streams of clients that share streams to etcd.',
      ({ keepAlives }) => keepAlives.clientStreams,
    ),
    one(
      'keepalive_upstream_streams',
      'gauge',
      'Streams to etcd that shared keepalives use.',
      ({ keepAlives }) => keepAlives.upstreamStreams,
    ),
    one(
      'keepalive_requests_total',
      'counter',
      'Renewals that clients requested on shared keepalive streams.',
      ({ keepAlives }) => keepAlives.requests,
    ),
    one(
      'keepalive_renewals_total',
      'counter',
      'Renewals that were sent to etcd for shared keepalive streams.',
      ({ keepAlives }) => keepAlives.renewals,
    ),
    one(
      'keepalive_repeated_renewals_total',
      'counter',
      'Renewals that were sent to etcd again because their stream was lost.',
      ({ keepAlives }) => keepAlives.repetitions,
    ),
    one(
      'shared_reads_total',
      'counter',
      'Serializable reads that shared the read of another caller.',
      ({ reads }) => reads.joined,
    ),
  ];
}
