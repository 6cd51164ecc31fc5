/** The metrics of `mirror`, in a registry of their own. Imported by that command alone. */
import { type Metric, Registry } from 'prom-client';
import { processRegistry } from './process-metrics.ts';
import { type MetricType, scraped } from './scraped-metric.ts';

/** Read at every scrape. */
export interface MirrorUsage {
  readonly phase: string;
  readonly lagSeconds: number;
  readonly positionRevision: number;
  readonly sourceRevision: number;
  readonly puts: number;
  readonly deletes: number;
  readonly transactions: number;
  readonly comparedKeys: number;
  readonly failures: number;
  /** By reason. */
  readonly copies: Readonly<Record<string, number>>;
}

const phases = ['starting', 'copying', 'following'] as const;

/** The text exposition format and its media type. */
export async function mirrorExposition(
  usage: MirrorUsage,
): Promise<{ readonly contentType: string; readonly text: string }> {
  const registry = new Registry();
  for (const metric of mirrorMetrics(usage)) registry.registerMetric(metric);
  const [own, process] = await Promise.all([registry.metrics(), processRegistry().metrics()]);
  return { contentType: registry.contentType, text: `${own}\n${process}` };
}

function mirrorMetrics(usage: MirrorUsage): readonly Metric[] {
  const one = (name: string, type: MetricType, help: string, value: number): Metric =>
    scraped(`etcd_bulkhead_mirror_${name}`, type, help, () => [{ labels: {}, value }]);
  return [
    one(
      'lag_seconds',
      'gauge',
      'Age of the oldest change of the source that is not applied, or time since the watch was lost.',
      usage.lagSeconds,
    ),
    one(
      'position_revision',
      'gauge',
      'Revision of the source that the destination has reached.',
      usage.positionRevision,
    ),
    one(
      'source_revision',
      'gauge',
      'Newest revision of the source that is known. Other namespaces raise it, too.',
      usage.sourceRevision,
    ),
    one('puts_total', 'counter', 'Keys put at the destination.', usage.puts),
    one('deletes_total', 'counter', 'Keys deleted at the destination.', usage.deletes),
    one(
      'transactions_total',
      'counter',
      'Transactions with changes at the destination.',
      usage.transactions,
    ),
    one(
      'compared_keys_total',
      'counter',
      'Keys of the source that were compared with the destination.',
      usage.comparedKeys,
    ),
    one(
      'failures_total',
      'counter',
      'Failures after which the mirror started again.',
      usage.failures,
    ),
    scraped(
      'etcd_bulkhead_mirror_copies_total',
      'counter',
      'Comparisons of all keys, by reason: first, resumed, compacted, forced, once.',
      () => Object.entries(usage.copies).map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    scraped('etcd_bulkhead_mirror_phase', 'gauge', '1 for the phase that the mirror is in.', () =>
      phases.map((phase) => ({ labels: { phase }, value: phase === usage.phase ? 1 : 0 })),
    ),
  ];
}
