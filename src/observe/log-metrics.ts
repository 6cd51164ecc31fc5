/** The metrics of the log itself: lines that are missing in it. */
import type { Metric } from 'prom-client';
import { scraped } from './scraped-metric.ts';

/** Lines that a rate has suppressed, by the name of the log. */
export class SuppressedLines {
  access = 0;
  audit = 0;
}

export interface LogUsage {
  readonly droppedLines: number;
  readonly suppressed: SuppressedLines;
}

export function logMetrics(usage: () => LogUsage): Metric[] {
  return [
    scraped(
      'etcd_bulkhead_log_dropped_lines_total',
      'counter',
      'Log lines that were dropped, because the reader of standard output was too slow.',
      () => [{ labels: {}, value: usage().droppedLines }],
    ),
    scraped(
      'etcd_bulkhead_log_suppressed_lines_total',
      'counter',
      'Lines of the access log and the audit log above their rate.',
      () => {
        const { access, audit } = usage().suppressed;
        return [
          { labels: { log: 'access' }, value: access },
          { labels: { log: 'audit' }, value: audit },
        ];
      },
    ),
  ];
}
