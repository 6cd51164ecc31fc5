import { describe, expect, test } from 'vitest';
import { SuppressedLines } from '../../../src/observe/log-metrics.ts';
import { PrimaryMetrics } from '../../../src/observe/primary-metrics.ts';
import type { MetricFamily, MetricType, Sample } from '../../../src/observe/scraped-metric.ts';
import { WorkerMetrics } from '../../../src/observe/worker-metrics.ts';

function family(name: string, type: MetricType, ...values: Sample[]): MetricFamily {
  return { name, help: `Help of ${name}.`, type, values };
}

const one = (value: number, labels: Sample['labels'] = {}): Sample => ({ labels, value });

function valuesOf(metrics: WorkerMetrics, name: string): readonly (readonly [string, number])[] {
  const found = metrics.aggregated([]).find((each) => each.name === name);
  return (found?.values ?? []).map(({ labels, value, metricName = '' }) => [
    metricName + JSON.stringify(labels),
    value,
  ]);
}

/** Workers with these families each, and no metrics of processes. */
function collected(...workers: readonly (readonly MetricFamily[])[]): WorkerMetrics {
  const metrics = new WorkerMetrics();
  for (const [index, own] of workers.entries()) {
    metrics.collected(index + 1, { own, process: [] });
  }
  return metrics;
}

const noLostLines = () => ({ droppedLines: 0, suppressed: new SuppressedLines() });

describe('metrics of workers', () => {
  test('counters and gauges are summed by their labels, in any order', () => {
    const metrics = collected(
      [family('calls_total', 'counter', one(1, { a: 'x', b: 'y' }), one(5, { a: 'z', b: 'y' }))],
      [family('calls_total', 'counter', one(2, { b: 'y', a: 'x' }))],
      [family('open', 'gauge', one(3))],
    );
    expect(valuesOf(metrics, 'calls_total')).toEqual([
      ['{"a":"x","b":"y"}', 3],
      ['{"a":"z","b":"y"}', 5],
    ]);
    expect(valuesOf(metrics, 'open')).toEqual([['{}', 3]]);
  });

  test('histograms are summed by bucket, sum and count', () => {
    const histogram = (bucket: number, sum: number) =>
      family(
        'seconds',
        'histogram',
        { metricName: 'seconds_bucket', labels: { le: 0.1 }, value: bucket },
        { metricName: 'seconds_bucket', labels: { le: '+Inf' }, value: bucket + 1 },
        { metricName: 'seconds_sum', labels: {}, value: sum },
        { metricName: 'seconds_count', labels: {}, value: bucket + 1 },
      );
    expect(valuesOf(collected([histogram(1, 2)], [histogram(10, 0.5)]), 'seconds')).toEqual([
      ['seconds_bucket{"le":0.1}', 11],
      ['seconds_bucket{"le":"+Inf"}', 13],
      ['seconds_sum{}', 2.5],
      ['seconds_count{}', 13],
    ]);
  });

  test.each([
    ['etcd_bulkhead_breaker_state', [0, 2], 2],
    ['etcd_bulkhead_upstream_up', [1, 0], 0],
    ['etcd_bulkhead_build_info', [1, 1], 1],
    ['etcd_bulkhead_held_bytes', [1, 2], 3],
  ] as const)('the gauge %s is combined as a whole', (name, [first, second], expected) => {
    const metrics = collected(
      [family(name, 'gauge', one(first))],
      [family(name, 'gauge', one(second))],
    );
    expect(valuesOf(metrics, name)).toEqual([['{}', expected]]);
  });

  test('sums do not fall when a worker ends and starts again', () => {
    const own = (calls: number, open: number) => [
      family('calls_total', 'counter', one(calls)),
      family('open', 'gauge', one(open)),
    ];
    const metrics = collected(own(100, 4), own(50, 2));
    metrics.ended(1);
    expect(valuesOf(metrics, 'calls_total')).toEqual([['{}', 150]]);
    expect(valuesOf(metrics, 'open')).toEqual([['{}', 2]]);
    metrics.collected(1, { own: own(3, 1), process: [] });
    expect(valuesOf(metrics, 'calls_total')).toEqual([['{}', 153]]);
    metrics.ended(1);
    metrics.ended(1);
    metrics.ended(2);
    expect(valuesOf(metrics, 'calls_total')).toEqual([['{}', 153]]);
    expect(valuesOf(metrics, 'open')).toEqual([]);
  });

  test('those of processes have the label of their worker', () => {
    const metrics = new WorkerMetrics();
    for (const worker of [2, 1]) {
      metrics.collected(worker, { own: [], process: [family('bytes', 'gauge', one(worker))] });
    }
    const [bytes] = metrics.ofProcesses([family('bytes', 'gauge', one(7))]);
    expect(bytes?.values).toEqual([
      one(7, { worker: 'primary' }),
      one(1, { worker: '1' }),
      one(2, { worker: '2' }),
    ]);
  });
});

test('the primary process reports the configuration once, and its workers', async () => {
  const metrics = new PrimaryMetrics(
    () => 2,
    () => 1,
    noLostLines,
  );
  metrics.reloads.succeeded(1_700_000_000, []);
  metrics.reloads.failed();
  metrics.restarted(2);
  const reload = 'etcd_bulkhead_config_last_reload_successful';
  for (const worker of [1, 2]) {
    metrics.workers.collected(worker, {
      own: [family(reload, 'gauge', one(1)), family('calls_total', 'counter', one(worker))],
      process: [],
    });
  }
  const { contentType, text } = await metrics.exposition();
  expect(contentType).toContain('text/plain');
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  expect(lines.filter((line) => line.startsWith(reload))).toEqual([`${reload} 0`]);
  expect(lines).toEqual(
    expect.arrayContaining([
      'calls_total 3',
      'etcd_bulkhead_workers 2',
      'etcd_bulkhead_workers_serving 1',
      'etcd_bulkhead_worker_restarts_total{worker="1"} 0',
      'etcd_bulkhead_worker_restarts_total{worker="2"} 1',
    ]),
  );
  expect(text).toMatch(/^process_resident_memory_bytes\{worker="primary"\} \d+$/m);
  expect(text.match(/^# TYPE /gm)?.length).toBe(new Set(text.match(/^# TYPE .*/gm)).size);
});

test('lines that the log of the primary process loses count, too', async () => {
  const suppressed = new SuppressedLines();
  suppressed.audit = 3;
  const metrics = new PrimaryMetrics(
    () => 1,
    () => 1,
    () => ({ droppedLines: 5, suppressed }),
  );
  const dropped = 'etcd_bulkhead_log_dropped_lines_total';
  metrics.workers.collected(1, { own: [family(dropped, 'counter', one(2))], process: [] });
  const { text } = await metrics.exposition();
  expect(text).toContain(`${dropped} 7\n`);
  expect(text).toContain('etcd_bulkhead_log_suppressed_lines_total{log="audit"} 3\n');
});
