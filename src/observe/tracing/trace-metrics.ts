/** Metrics of the export of traces. They exist only while tracing is on. */
import type { Metric } from 'prom-client';
import { scraped } from '../scraped-metric.ts';

export interface TraceUsage {
  readonly exported: number;
  /** Lost, because the collector did not take them. */
  readonly failed: number;
  /** Lost, because the queue was full. */
  readonly dropped: number;
  readonly queued: number;
  /** Calls that were not sampled because of the rate limit. */
  readonly limited: number;
}

export function traceMetrics(usage: () => TraceUsage): Metric[] {
  return [
    scraped(
      'etcd_bulkhead_trace_spans_total',
      'counter',
      'Spans, by outcome: `exported`, `failed` (the collector did not take them) or `dropped` (the queue was full).',
      () => {
        const { exported, failed, dropped } = usage();
        return Object.entries({ exported, failed, dropped }).map(([outcome, value]) => ({
          labels: { outcome },
          value,
        }));
      },
    ),
    scraped('etcd_bulkhead_trace_queue_spans', 'gauge', 'Spans that wait for their export.', () => [
      { labels: {}, value: usage().queued },
    ]),
    scraped(
      'etcd_bulkhead_trace_limited_calls_total',
      'counter',
      'Calls that were not sampled because too many are sampled per second.',
      () => [{ labels: {}, value: usage().limited }],
    ),
  ];
}
