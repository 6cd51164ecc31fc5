/**
 * The metrics of /metrics. Metrics of calls have etcd's names, so that dashboards for etcd work; all others begin with
 * `etcd_bulkhead_`. Calls are counted in flat arrays (call-counters.ts) and converted to samples at a scrape; rare events
 * are counted by the library. Labels are bounded: they are names from tables and from the configuration, never from a
 * client.
 */
import { Counter, Gauge, type Metric, Registry } from 'prom-client';
import type { RefusalName } from '../call/refusals.ts';
import { type BreakerClass, breakerClasses, type Method, method } from '../etcd/methods.ts';
import { type AdviceUsage, adviceMetrics } from './advice-metrics.ts';
import { type CacheUsage, cacheMetrics } from './cache-metrics.ts';
import { bucketSeconds, CallCounters, codeName } from './call-counters.ts';
import { type ConnectionUsage, connectionMetrics } from './connection-metrics.ts';
import { LimitMetrics, type LimitsUse } from './limit-metrics.ts';
import { type LogUsage, logMetrics } from './log-metrics.ts';
import { memoryMetrics, type ShareUsage } from './memory-metrics.ts';
import { processRegistry } from './process-metrics.ts';
import { ReloadMetrics } from './reload-metrics.ts';
import { familiesOf, type MetricFamily, type Sample, scraped } from './scraped-metric.ts';
import { type SharingUsage, sharingMetrics } from './sharing-metrics.ts';
import { type TraceUsage, traceMetrics } from './tracing/trace-metrics.ts';
import { version } from './version.ts';
import { type WatchUsage, watchMetrics } from './watch-metrics.ts';

export type BreakerState = 'closed' | 'half-open' | 'open';

/** The values of the gauge. */
const breakerStateValue: Readonly<Record<BreakerState, number>> = {
  closed: 0,
  'half-open': 1,
  open: 2,
};

export interface EndpointUp {
  readonly name: string;
  readonly isUp: boolean;
  /** Open connections, by channel class. */
  readonly connections: Readonly<Record<string, number>>;
}

/** How much of its bounds the guard uses. */
export interface GuardUsage {
  readonly heldCalls: number;
  readonly heldBytes: number;
  readonly inFlightCalls: number;
  readonly queuedCalls: number;
  readonly readBytes: number;
  readonly queuedReads: number;
  readonly liveBreakers: number;
}

/** A state that an operator has forced: of a breaker, or the ejection of an endpoint. */
export interface ForcedState {
  readonly kind: 'breaker' | 'endpoint';
  /** `tenant/class` of a breaker, or the endpoint. */
  readonly name: string;
  readonly state: string;
}

/** Called at every scrape. */
export interface MetricSources {
  readonly upstream: () => readonly EndpointUp[];
  readonly guard: () => GuardUsage;
  readonly forced: () => readonly ForcedState[];
  readonly watches: () => WatchUsage;
  readonly cache: () => CacheUsage;
  readonly sharing: () => SharingUsage;
  readonly memory: () => readonly ShareUsage[];
  readonly connections: () => ConnectionUsage;
  readonly limits: () => LimitsUse;
  /** Null if calls are not traced. */
  readonly traces: (() => TraceUsage) | null;
  readonly logs: () => LogUsage;
  readonly advice: () => AdviceUsage | null;
}

export class Metrics {
  readonly calls = new CallCounters();
  readonly limits: LimitMetrics;
  readonly reloads: ReloadMetrics;
  readonly #registry = new Registry();
  readonly #breakerState: Gauge<'tenant' | 'breaker'>;
  readonly #breakerTransitions: Counter<'tenant' | 'breaker' | 'state'>;
  readonly #retries: Counter<'grpc_method'>;
  readonly #foreignLeases: Counter;
  readonly #violations: Counter;
  readonly #leaseChecks: Counter;
  readonly #authentications: Counter<'outcome'>;

  constructor(sources: MetricSources) {
    const { upstream, guard, forced, watches, sharing, memory, connections, limits } = sources;
    const { traces, logs, advice, cache } = sources;
    const registers = [this.#registry];
    this.limits = new LimitMetrics(limits);
    this.#breakerState = new Gauge({
      name: 'etcd_bulkhead_breaker_state',
      help: 'State of a breaker: 0 closed, 1 half-open, 2 open.',
      labelNames: ['tenant', 'breaker'],
      registers,
    });
    this.#breakerTransitions = new Counter({
      name: 'etcd_bulkhead_breaker_transitions_total',
      help: 'Transitions of breakers into a state.',
      labelNames: ['tenant', 'breaker', 'state'],
      registers,
    });
    this.#retries = new Counter({
      name: 'etcd_bulkhead_retries_total',
      help: 'Calls that were retried after a failed attempt.',
      labelNames: ['grpc_method'],
      registers,
    });
    this.#foreignLeases = new Counter({
      name: 'etcd_bulkhead_foreign_lease_total',
      help: "Foreign leases on a tenant's keys. The tenant sees such a key without a lease.",
      registers,
    });
    this.#violations = new Counter({
      name: 'etcd_bulkhead_namespace_violation_total',
      help: "Responses of etcd with a key outside the tenant's namespace, which were not delivered, and foreign leases that were not revoked or renewed.",
      registers,
    });
    this.#leaseChecks = new Counter({
      name: 'etcd_bulkhead_lease_checks_total',
      help: 'Leases whose keys were read before a revoke or a first keepalive, by owner: `own`, `foreign` or `failed`.',
      labelNames: ['owner'],
      registers,
    });
    this.#authentications = new Counter({
      name: 'etcd_bulkhead_authentications_total',
      help: 'Authenticate calls by outcome: `token`, or the reason of the rejection.',
      labelNames: ['outcome'],
      registers,
    });
    this.reloads = new ReloadMetrics(this.#registry);
    new Gauge({
      name: 'etcd_bulkhead_build_info',
      help: 'Always 1. The labels are the versions of the proxy and of Node.js.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version, node: process.version }, 1);
    // Starts the measurement of event-loop lag now, not at the first scrape.
    processRegistry();
    for (const scraped of [
      ...callMetrics(this.calls),
      ...upstreamMetrics(upstream),
      ...guardMetrics(guard),
      forcedMetric(forced),
      ...watchMetrics(watches),
      ...cacheMetrics(cache),
      ...sharingMetrics(sharing),
      ...memoryMetrics(memory),
      ...connectionMetrics(connections),
      ...this.limits.metrics(),
      ...(traces === null ? [] : traceMetrics(traces)),
      ...logMetrics(logs),
      ...adviceMetrics(advice),
    ]) {
      this.#registry.registerMetric(scraped);
    }
  }

  breakerMoved(tenant: string, breaker: BreakerClass, state: BreakerState): void {
    this.#breakerState.set({ tenant, breaker }, breakerStateValue[state]);
    this.#breakerTransitions.inc({ tenant, breaker, state });
  }

  /**
   * A reload has removed the tenant and with it the states of its breakers. Its transitions are still counted: a counter of
   * several workers must not fall.
   */
  breakersRetired(tenant: string): void {
    for (const breaker of breakerClasses) this.#breakerState.remove({ tenant, breaker });
  }

  retried({ rpc }: Method): void {
    this.#retries.inc({ grpc_method: rpc });
  }

  authenticated(outcome: RefusalName | 'token'): void {
    this.#authentications.inc({ outcome });
  }

  foreignLeasesSeen(count: number): void {
    this.#foreignLeases.inc(count);
  }

  leaseChecked(owner: 'own' | 'foreign' | 'failed'): void {
    this.#leaseChecks.inc({ owner });
  }

  namespaceViolated(): void {
    this.#violations.inc();
  }

  /** Returns the text exposition format and its media type. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    const [own, process] = await Promise.all([
      this.#registry.metrics(),
      processRegistry().metrics(),
    ]);
    return { contentType: this.#registry.contentType, text: `${own}\n${process}` };
  }

  /** The same as data, for another process that aggregates it. */
  async snapshot(): Promise<MetricsSnapshot> {
    const [own, process] = await Promise.all([
      familiesOf(this.#registry),
      familiesOf(processRegistry()),
    ]);
    return { own, process };
  }
}

/** All metrics of one process. */
export interface MetricsSnapshot {
  readonly own: readonly MetricFamily[];
  /** Memory, CPU and event-loop lag. */
  readonly process: readonly MetricFamily[];
}

const watchMethod = method('etcdserverpb.Watch/Watch');

function callMetrics(calls: CallCounters): Metric[] {
  return [
    scraped('grpc_server_started_total', 'counter', 'Calls that were started.', () =>
      [...calls.counts()].map(({ method, started }) => ({
        labels: labelsOf(method),
        value: started,
      })),
    ),
    scraped('grpc_server_handled_total', 'counter', 'Calls that have ended, by code.', () =>
      [...calls.counts()].flatMap(({ method, handled }) =>
        [...handled].flatMap((value, code) =>
          value === 0
            ? []
            : [{ labels: { ...labelsOf(method), grpc_code: codeName(code) }, value }],
        ),
      ),
    ),
    scraped('grpc_server_handling_seconds', 'histogram', 'Duration of calls.', () =>
      histogramSamples(calls),
    ),
    scraped(
      'etcd_bulkhead_rejected_total',
      'counter',
      'Calls that the proxy rejected, by reason.',
      () => [...calls.rejections].map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    scraped('etcd_bulkhead_watch_streams', 'gauge', 'Watch streams that are open.', () => [
      { labels: {}, value: calls.open(watchMethod) },
    ]),
  ];
}

function upstreamMetrics(upstream: () => readonly EndpointUp[]): Metric[] {
  return [
    scraped(
      'etcd_bulkhead_upstream_up',
      'gauge',
      'Whether the last attempt to reach the endpoint succeeded.',
      () =>
        upstream().map(({ name, isUp }) => ({ labels: { endpoint: name }, value: isUp ? 1 : 0 })),
    ),
    scraped(
      'etcd_bulkhead_upstream_connections',
      'gauge',
      'Connections to the endpoint. More than one per class if it limits the streams of a connection.',
      () =>
        upstream().flatMap(({ name, connections }) =>
          Object.entries(connections).map(([each, value]) => ({
            labels: { endpoint: name, class: each },
            value,
          })),
        ),
    ),
  ];
}

function forcedMetric(forced: () => readonly ForcedState[]): Metric {
  return scraped(
    'etcd_bulkhead_forced_states',
    'gauge',
    'Breakers and endpoints whose state an operator has forced (--admin-actions).',
    () => forced().map(({ kind, name, state }) => ({ labels: { kind, name, state }, value: 1 })),
  );
}

function guardMetrics(guard: () => GuardUsage): Metric[] {
  return [
    scraped('etcd_bulkhead_held_calls', 'gauge', 'Calls that wait for an endpoint.', () => [
      { labels: {}, value: guard().heldCalls },
    ]),
    scraped(
      'etcd_bulkhead_held_bytes',
      'gauge',
      'Request bytes of the calls that wait for an endpoint.',
      () => [{ labels: {}, value: guard().heldBytes }],
    ),
    scraped(
      'etcd_bulkhead_in_flight_calls',
      'gauge',
      'Unary calls at etcd, of at most --max-in-flight.',
      () => [{ labels: {}, value: guard().inFlightCalls }],
    ),
    scraped(
      'etcd_bulkhead_queued_calls',
      'gauge',
      'Calls that wait because --max-in-flight is reached.',
      () => [{ labels: {}, value: guard().queuedCalls }],
    ),
    scraped(
      'etcd_bulkhead_read_bytes',
      'gauge',
      'Expected size of the responses to large reads at etcd, of at most --max-read-bytes.',
      () => [{ labels: {}, value: guard().readBytes }],
    ),
    scraped(
      'etcd_bulkhead_queued_reads',
      'gauge',
      'Large reads that wait because --max-read-bytes is reached.',
      () => [{ labels: {}, value: guard().queuedReads }],
    ),
    scraped(
      'etcd_bulkhead_live_breakers',
      'gauge',
      'Breakers that are not closed or have outcomes in their window.',
      () => [{ labels: {}, value: guard().liveBreakers }],
    ),
  ];
}

function histogramSamples(calls: CallCounters): readonly Sample[] {
  const samples: Sample[] = [];
  const name = 'grpc_server_handling_seconds';
  for (const { method, buckets, secondsSum } of calls.counts()) {
    const labels = labelsOf(method);
    let count = 0;
    for (const [index, value] of buckets.entries()) {
      count += value;
      const le = bucketSeconds[index] ?? '+Inf';
      samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: count });
    }
    samples.push({ metricName: `${name}_sum`, labels, value: secondsSum });
    samples.push({ metricName: `${name}_count`, labels, value: count });
  }
  return samples;
}

/** The labels of go-grpc-prometheus, the interceptor that etcd uses. */
function labelsOf(method: Method): Readonly<Record<string, string>> {
  return {
    grpc_type: method.requestStream
      ? 'bidi_stream'
      : method.responseStream
        ? 'server_stream'
        : 'unary',
    grpc_service: method.service,
    grpc_method: method.rpc,
  };
}
