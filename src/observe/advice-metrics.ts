/** The metrics of the advice: how much it has found, and what it could not observe. */
import type { Metric } from 'prom-client';
import { scraped } from './scraped-metric.ts';

export interface AdviceUsage {
  /** By the name of the finding. */
  readonly findingCounts: ReadonlyMap<string, number>;
  readonly untrackedSamples: number;
}

/** Null: the advice is switched off, and the metrics have no samples. */
export function adviceMetrics(usage: () => AdviceUsage | null): Metric[] {
  return [
    scraped(
      'etcd_bulkhead_findings',
      'gauge',
      'Tenants that have a finding of this name at present, see /advicez.',
      () =>
        Array.from(usage()?.findingCounts ?? [], ([finding, value]) => ({
          labels: { finding },
          value,
        })),
    ),
    scraped(
      'etcd_bulkhead_advice_untracked_samples_total',
      'counter',
      'Samples that the advice discarded, because it observes as many tenants as it may.',
      () => {
        const advice = usage();
        return advice === null ? [] : [{ labels: {}, value: advice.untrackedSamples }];
      },
    ),
  ];
}
