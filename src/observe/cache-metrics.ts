/** Metrics of reads that are served from memory: how many, why the others are not, and what the memory costs. */
import type { Metric } from 'prom-client';
import { type Sample, scraped } from './scraped-metric.ts';

export interface CacheUsage {
  readonly stats: {
    readonly serializableHits: number;
    readonly linearizableHits: number;
    readonly sharedResponses: number;
    readonly responseBytes: number;
    readonly misses: Readonly<Record<string, number>>;
    readonly fencedReads: number;
    readonly fenceMs: number;
    readonly ranges: number;
    readonly loads: number;
    readonly drops: number;
  };
  readonly memory: { readonly bytes: number };
  readonly responseMemory: { readonly bytes: number };
}

export function cacheMetrics(usage: () => CacheUsage): Metric[] {
  const one = (
    type: 'gauge' | 'counter',
    name: string,
    help: string,
    value: (usage: CacheUsage) => number,
  ): Metric => scraped(`etcd_bulkhead_cache_${name}`, type, help, () => only(value(usage())));
  return [
    scraped(
      'etcd_bulkhead_cache_hits_total',
      'counter',
      'Reads of tenants with cache-reads that were served from memory.',
      () => {
        const { serializableHits, linearizableHits } = usage().stats;
        return [
          { labels: { kind: 'serializable' }, value: serializableHits },
          { labels: { kind: 'linearizable' }, value: linearizableHits },
        ];
      },
    ),
    scraped(
      'etcd_bulkhead_cache_misses_total',
      'counter',
      'Reads of tenants with cache-reads that passed to etcd, by reason.',
      () =>
        Object.entries(usage().stats.misses).map(([reason, value]) => ({
          labels: { reason },
          value,
        })),
    ),
    one(
      'counter',
      'shared_responses_total',
      'Reads from memory whose response was built for an earlier read.',
      ({ stats }) => stats.sharedResponses,
    ),
    one(
      'counter',
      'response_bytes_total',
      'Bytes of responses from memory.',
      ({ stats }) => stats.responseBytes,
    ),
    one(
      'counter',
      'fenced_reads_total',
      'Linearizable reads for which etcd has reported its current revision.',
      ({ stats }) => stats.fencedReads,
    ),
    one(
      'counter',
      'fence_seconds_total',
      'Time that linearizable reads waited for the current revision of etcd.',
      ({ stats }) => stats.fenceMs / 1_000,
    ),
    one('gauge', 'ranges', 'Ranges that are in memory.', ({ stats }) => stats.ranges),
    one('gauge', 'range_bytes', 'Memory of these ranges in bytes.', ({ memory }) => memory.bytes),
    one(
      'gauge',
      'waiting_bytes',
      'Bytes of responses from memory that may still wait for clients.',
      ({ responseMemory }) => responseMemory.bytes,
    ),
    one('counter', 'loads_total', 'Ranges that were read from etcd.', ({ stats }) => stats.loads),
    one('counter', 'drops_total', 'Ranges that were dropped.', ({ stats }) => stats.drops),
  ];
}

function only(value: number): readonly Sample[] {
  return [{ labels: {}, value }];
}
