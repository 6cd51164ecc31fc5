/** The metrics of a process that supervises workers: its own, and those of the workers as one. */
import { Counter, Gauge, Registry } from 'prom-client';
import { type LogUsage, logMetrics } from './log-metrics.ts';
import { processRegistry } from './process-metrics.ts';
import { ReloadMetrics } from './reload-metrics.ts';
import { familiesOf, type MetricFamily, scraped } from './scraped-metric.ts';
import { WorkerMetrics } from './worker-metrics.ts';

export class PrimaryMetrics {
  readonly workers = new WorkerMetrics();
  readonly reloads: ReloadMetrics;
  readonly #registry = new Registry();
  readonly #restarts: Counter<'worker'>;
  /** The log of this process loses lines, too. */
  readonly #logs = new Registry();

  /** The functions are called at every scrape. */
  constructor(configured: () => number, serving: () => number, logs: () => LogUsage) {
    for (const metric of logMetrics(logs)) this.#logs.registerMetric(metric);
    const registers = [this.#registry];
    this.reloads = new ReloadMetrics(this.#registry);
    this.#restarts = new Counter({
      name: 'etcd_bulkhead_worker_restarts_total',
      help: 'Workers that were started again after they had ended.',
      labelNames: ['worker'],
      registers,
    });
    new Gauge({
      name: 'etcd_bulkhead_workers',
      help: 'Configured number of workers.',
      registers,
      collect() {
        this.set(configured());
      },
    });
    new Gauge({
      name: 'etcd_bulkhead_workers_serving',
      help: 'Workers that serve clients.',
      registers,
      collect() {
        this.set(serving());
      },
    });
    for (let worker = 1; worker <= configured(); worker++) this.#restarts.inc({ worker }, 0);
    processRegistry();
  }

  restarted(worker: number): void {
    this.#restarts.inc({ worker });
  }

  /** Returns the text exposition format and its media type. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    const own = await familiesOf(this.#registry);
    // The configuration is the same for all workers, so the primary process reports it.
    const names = new Set(own.map(({ name }) => name));
    const families: readonly MetricFamily[] = [
      ...this.workers
        .aggregated(await familiesOf(this.#logs))
        .filter(({ name }) => !names.has(name)),
      ...own,
      ...this.workers.ofProcesses(await familiesOf(processRegistry())),
    ];
    const registry = new Registry();
    for (const { name, type, help, values } of families) {
      registry.registerMetric(scraped(name, type, help, () => values));
    }
    return { contentType: registry.contentType, text: await registry.metrics() };
  }
}
