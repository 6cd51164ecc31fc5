/** Metrics of the memory for large messages, by share: `requests` and `responses`. */
import type { Metric } from 'prom-client';
import { type MetricType, scraped } from './scraped-metric.ts';

/** One share of the memory. */
export interface ShareUsage {
  readonly name: string;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly waitingHolds: number;
  readonly refusals: number;
}

export function memoryMetrics(usage: () => readonly ShareUsage[]): Metric[] {
  const byShare = (
    name: string,
    type: MetricType,
    help: string,
    value: (share: ShareUsage) => number,
  ): Metric =>
    scraped(`etcd_bulkhead_message_${name}`, type, help, () =>
      usage().map((share) => ({ labels: { share: share.name }, value: value(share) })),
    );
  return [
    byShare('memory_bytes', 'gauge', 'Bytes of large messages, by share.', ({ bytes }) => bytes),
    byShare(
      'memory_limit_bytes',
      'gauge',
      'Bound of the bytes of large messages, by share.',
      ({ bytesMax }) => bytesMax,
    ),
    byShare(
      'memory_waiting',
      'gauge',
      'Large messages that are not read because they wait for memory, by share.',
      ({ waitingHolds }) => waitingHolds,
    ),
    byShare(
      'memory_refusals_total',
      'counter',
      'Large messages that were refused or dropped for lack of memory, by share.',
      ({ refusals }) => refusals,
    ),
  ];
}
