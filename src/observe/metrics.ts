/**
 * The metrics of /metrics. Metrics of calls have etcd's names, so that dashboards for etcd work; all others begin with
 * `etcd_bulkhead_`. Calls are counted in flat arrays (call-counters.ts) and converted to samples at a scrape; rare events
 * are counted by the library. Labels are bounded: they are names from tables and from the configuration, never from a
 * client.
 */
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { RefusalName } from '../call/refusals.ts';
import type { CertificateExpiry } from '../config/certificate-expiry.ts';
import { type BreakerClass, type Method, method } from '../etcd/methods.ts';
import { bucketSeconds, CallCounters, codeName } from './call-counters.ts';
import { version } from './version.ts';

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
}

/** The counters of shared keepalives. */
export interface KeepAliveFigures {
  readonly clientStreams: number;
  readonly upstreamStreams: number;
  readonly requests: number;
  readonly renewals: number;
  readonly repetitions: number;
}

/** The counters of single-flight reads. */
export interface ReadFigures {
  readonly joined: number;
}

export class Metrics {
  readonly calls = new CallCounters();
  readonly #registry = new Registry();
  readonly #breakerState: Gauge<'tenant' | 'breaker'>;
  readonly #breakerTransitions: Counter<'tenant' | 'breaker' | 'state'>;
  readonly #retries: Counter<'grpc_method'>;
  readonly #foreignLeases: Counter;
  readonly #violations: Counter;
  readonly #authentications: Counter<'outcome'>;
  readonly #lastReload: Gauge;
  readonly #lastReloadSuccess: Gauge;
  readonly #certificateExpiry: Gauge<'use' | 'listener'>;

  /** `upstream` is called at every scrape. */
  constructor(upstream: () => readonly EndpointUp[]) {
    const registers = [this.#registry];
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
      help: 'Calls that were sent a second time.',
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
      help: "Responses of etcd with a key outside the tenant's namespace. They were not delivered.",
      registers,
    });
    this.#authentications = new Counter({
      name: 'etcd_bulkhead_authentications_total',
      help: 'Authenticate calls by outcome: `token`, or the reason of the rejection.',
      labelNames: ['outcome'],
      registers,
    });
    this.#lastReload = new Gauge({
      name: 'etcd_bulkhead_config_last_reload_successful',
      help: 'Whether the last attempt to load the configuration succeeded.',
      registers,
    });
    this.#lastReloadSuccess = new Gauge({
      name: 'etcd_bulkhead_config_last_reload_success_timestamp_seconds',
      help: 'When the active configuration was loaded.',
      registers,
    });
    this.#certificateExpiry = new Gauge({
      name: 'etcd_bulkhead_tls_cert_expiry_timestamp_seconds',
      help: 'When the certificates in use expire.',
      labelNames: ['use', 'listener'],
      registers,
    });
    new Gauge({
      name: 'etcd_bulkhead_build_info',
      help: 'Always 1. The labels are the versions of the proxy and of Node.js.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version, node: process.version }, 1);
    new Gauge({
      name: 'etcd_bulkhead_upstream_up',
      help: 'Whether the last attempt to reach the endpoint succeeded.',
      labelNames: ['endpoint'],
      registers,
      collect() {
        this.reset();
        for (const { name, isUp } of upstream()) this.set({ endpoint: name }, isUp ? 1 : 0);
      },
    });
    // Starts the measurement of event-loop lag now, not at the first scrape.
    processRegistry();
    for (const scraped of callMetrics(this.calls)) this.#registry.registerMetric(scraped);
  }

  /** Adds the metrics of shared keepalives and reads. Once, when the proxy is built. */
  addSharing(keepAlives: KeepAliveFigures, reads: ReadFigures): void {
    for (const added of sharingMetrics(keepAlives, reads)) this.#registry.registerMetric(added);
  }

  breakerMoved(tenant: string, breaker: BreakerClass, state: BreakerState): void {
    this.#breakerState.set({ tenant, breaker }, breakerStateValue[state]);
    this.#breakerTransitions.inc({ tenant, breaker, state });
  }

  retried({ rpc }: Method): void {
    this.#retries.inc({ grpc_method: rpc });
  }

  authenticated(outcome: RefusalName | 'token'): void {
    this.#authentications.inc({ outcome });
  }

  /** Called after a configuration was applied. */
  reloaded(epochSeconds: number, certificates: readonly CertificateExpiry[]): void {
    this.#lastReload.set(1);
    this.#lastReloadSuccess.set(epochSeconds);
    this.#certificateExpiry.reset();
    for (const { use, listener, epochSeconds: expiry } of certificates) {
      this.#certificateExpiry.set({ use, listener }, expiry);
    }
  }

  /** Called after a reload failed. The previous configuration stays active. */
  reloadFailed(): void {
    this.#lastReload.set(0);
  }

  foreignLeasesSeen(count: number): void {
    this.#foreignLeases.inc(count);
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
}

let sharedProcessRegistry: Registry | null = null;

/** Memory, CPU and event-loop lag are measured once per process, which may run several proxies. */
function processRegistry(): Registry {
  if (sharedProcessRegistry === null) {
    sharedProcessRegistry = new Registry();
    collectDefaultMetrics({ register: sharedProcessRegistry });
  }
  return sharedProcessRegistry;
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
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

function sharingMetrics(keepAlives: KeepAliveFigures, reads: ReadFigures): Metric[] {
  const figure = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: () => number,
  ): Metric => scraped(`etcd_bulkhead_${name}`, type, help, () => [{ labels: {}, value: value() }]);
  return [
    figure(
      'keepalive_client_streams',
      'gauge',
      'Keepalive streams of clients that share streams to etcd.',
      () => keepAlives.clientStreams,
    ),
    figure(
      'keepalive_upstream_streams',
      'gauge',
      'Streams to etcd that shared keepalives use.',
      () => keepAlives.upstreamStreams,
    ),
    figure(
      'keepalive_requests_total',
      'counter',
      'Renewals that clients requested on shared keepalive streams.',
      () => keepAlives.requests,
    ),
    figure(
      'keepalive_renewals_total',
      'counter',
      'Renewals that were sent to etcd for shared keepalive streams.',
      () => keepAlives.renewals,
    ),
    figure(
      'keepalive_repeated_renewals_total',
      'counter',
      'Renewals that were sent to etcd again because their stream was lost.',
      () => keepAlives.repetitions,
    ),
    figure(
      'shared_reads_total',
      'counter',
      'Serializable reads that shared the read of another caller.',
      () => reads.joined,
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

/**
 * A metric whose samples are computed at a scrape. A registry only calls `get` and reads `name` of its metrics (prom-client
 * lib/registry.js). The library's types allow only its own four classes, and none of them can be filled by a function.
 */
function scraped(
  name: string,
  type: 'counter' | 'gauge' | 'histogram',
  help: string,
  samples: () => readonly Sample[],
): Metric {
  const metric = { name, get: async () => ({ name, help, type, values: samples() }) };
  return metric as unknown as Metric;
}
