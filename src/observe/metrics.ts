/**
 * What /metrics shows: etcd's own names for calls, so that dashboards drop in, and names of ours for what only a proxy
 * has. Calls are counted elsewhere in flat arrays and turned into samples here when somebody scrapes; what happens
 * rarely is counted by the library itself. Labels are bounded: names from tables, tenants and endpoints of the
 * configuration, never anything that a client sent.
 */
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from 'prom-client';
import type { RefusalName } from '../call/refusals.ts';
import type { CertificateExpiry } from '../config/certificate-expiry.ts';
import { type BreakerClass, type Method, method } from '../etcd/methods.ts';
import { bucketSeconds, CallCounters, codeName } from './call-counters.ts';
import { version } from './version.ts';

export type BreakerState = 'closed' | 'half-open' | 'open';

/** As the gauge shows them. */
const breakerStateValue: Readonly<Record<BreakerState, number>> = {
  closed: 0,
  'half-open': 1,
  open: 2,
};

export interface EndpointUp {
  readonly name: string;
  readonly isUp: boolean;
}

/** How much of its bounds the guard uses. */
export interface GuardUsage {
  readonly heldCalls: number;
  readonly heldBytes: number;
  readonly liveBreakers: number;
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

  /** `upstream` and `guard` are called at every scrape. */
  constructor(upstream: () => readonly EndpointUp[], guard: () => GuardUsage) {
    const registers = [this.#registry];
    this.#breakerState = new Gauge({
      name: 'etcd_bulkhead_breaker_state',
      help: 'State of a breaker: 0 closed, 1 half-open, 2 open.',
      labelNames: ['tenant', 'breaker'],
      registers,
    });
    this.#breakerTransitions = new Counter({
      name: 'etcd_bulkhead_breaker_transitions_total',
      help: 'How often a breaker has gone into a state.',
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
      help: "Leases of others that were seen on a tenant's keys and shown as none.",
      registers,
    });
    this.#violations = new Counter({
      name: 'etcd_bulkhead_namespace_violation_total',
      help: 'Keys outside of the namespace that etcd answered with. They were not delivered.',
      registers,
    });
    this.#authentications = new Counter({
      name: 'etcd_bulkhead_authentications_total',
      help: 'Answers to Authenticate: `token`, or the reason of the refusal.',
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
      help: 'When the configuration in force was loaded.',
      registers,
    });
    this.#certificateExpiry = new Gauge({
      name: 'etcd_bulkhead_tls_cert_expiry_timestamp_seconds',
      help: 'When the certificates in use end.',
      labelNames: ['use', 'listener'],
      registers,
    });
    new Gauge({
      name: 'etcd_bulkhead_build_info',
      help: 'Always 1; the labels say what is running.',
      labelNames: ['version', 'node'],
      registers,
    }).set({ version, node: process.version }, 1);
    new Gauge({
      name: 'etcd_bulkhead_upstream_up',
      help: 'Whether an endpoint could be reached when it was last tried.',
      labelNames: ['endpoint'],
      registers,
      collect() {
        this.reset();
        for (const { name, isUp } of upstream()) this.set({ endpoint: name }, isUp ? 1 : 0);
      },
    });
    // Event-loop lag is measured from here on, not from the first scrape.
    processRegistry();
    for (const scraped of [...callMetrics(this.calls), ...guardMetrics(guard)]) {
      this.#registry.registerMetric(scraped);
    }
  }

  breakerMoved(tenant: string, breaker: BreakerClass, state: BreakerState): void {
    this.#breakerState.set({ tenant, breaker }, breakerStateValue[state]);
    this.#breakerTransitions.inc({ tenant, breaker, state });
  }

  retried({ rpc }: Method): void {
    this.#retries.inc({ grpc_method: rpc });
  }

  /** For refusals above the layer that observes calls. */
  refused(reason: RefusalName): void {
    this.calls.refused(reason);
  }

  authenticated(outcome: RefusalName | 'token'): void {
    this.#authentications.inc({ outcome });
  }

  /** A configuration was put in force. */
  reloaded(epochSeconds: number, certificates: readonly CertificateExpiry[]): void {
    this.#lastReload.set(1);
    this.#lastReloadSuccess.set(epochSeconds);
    this.#certificateExpiry.reset();
    for (const { use, listener, epochSeconds: ends } of certificates) {
      this.#certificateExpiry.set({ use, listener }, ends);
    }
  }

  /** One was not, and the one before it still is. */
  reloadFailed(): void {
    this.#lastReload.set(0);
  }

  foreignLeasesSeen(count: number): void {
    this.#foreignLeases.inc(count);
  }

  namespaceViolated(): void {
    this.#violations.inc();
  }

  /** The text exposition format, and its media type. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    const [own, process] = await Promise.all([
      this.#registry.metrics(),
      processRegistry().metrics(),
    ]);
    return { contentType: this.#registry.contentType, text: `${own}\n${process}` };
  }
}

let sharedProcessRegistry: Registry | null = null;

/** Memory, CPU and event-loop lag are the process's, however many proxies it runs: measured once. */
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
      [...calls.figures()].map(({ method, started }) => ({
        labels: labelsOf(method),
        value: started,
      })),
    ),
    scraped('grpc_server_handled_total', 'counter', 'Calls that have ended, by code.', () =>
      [...calls.figures()].flatMap(({ method, handled }) =>
        [...handled].flatMap((value, code) =>
          value === 0
            ? []
            : [{ labels: { ...labelsOf(method), grpc_code: codeName(code) }, value }],
        ),
      ),
    ),
    scraped(
      'grpc_server_handling_seconds',
      'histogram',
      'From the start of calls to their end.',
      () => histogramSamples(calls),
    ),
    scraped('etcd_bulkhead_rejected_total', 'counter', 'Calls that the proxy refused.', () =>
      [...calls.refusals].map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    scraped('etcd_bulkhead_watch_streams', 'gauge', 'Watch streams that are open.', () => [
      { labels: {}, value: calls.open(watchMethod) },
    ]),
  ];
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
  for (const { method, buckets, secondsSum } of calls.figures()) {
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

/** As the interceptor that etcd uses labels them (go-grpc-prometheus). */
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
 * A metric whose samples are made when they are asked for. A registry only ever calls `get` and reads `name` of what it
 * holds (prom-client lib/registry.js); the library's types name its four classes, none of which can be filled from outside
 * at the price of a function call.
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
