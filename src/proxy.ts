/**
 * The composition root: builds every object of a running proxy once, top to bottom, and takes them down again in the
 * opposite order. Nothing else constructs parts or knows how they are wired; which way a call takes is pipeline.ts's.
 */
import { createHash } from 'node:crypto';
import { health } from './admin/health.ts';
import { Lifecycle } from './admin/lifecycle.ts';
import { type Admin, startAdmin } from './admin/server.ts';
import type { Config, ListenerConfig, TransportName } from './config/config.ts';
import { Call, type Etcd } from './etcd/api.ts';
import { type Method, methodsByPath } from './etcd/methods.ts';
import { printableKey } from './etcd/request-key.ts';
import { GrpcJsClientTransport } from './grpc/grpc-js-client.ts';
import { GrpcJsServerTransport } from './grpc/grpc-js-server.ts';
import { NativeClientTransport } from './grpc/native-client.ts';
import { NativeServerTransport } from './grpc/native-server.ts';
import type { CallHandler, ClientTransport, Listener, ServerTransport } from './grpc/transport.ts';
import type { NamespaceHooks } from './namespace/hooks.ts';
import { namespace } from './namespace/layer.ts';
import type { Self } from './namespace/member-list.ts';
import { callLog } from './observe/call-log.ts';
import type { Logger } from './observe/logger.ts';
import { Metrics } from './observe/metrics.ts';
import { observe } from './observe/observe.ts';
import { version } from './observe/version.ts';
import { pipeline } from './pipeline.ts';
import { authorize } from './policy/authorize.ts';
import { Breakers } from './resilience/breakers.ts';
import { OpenStreams } from './resilience/drain.ts';
import { guard } from './resilience/guard.ts';
import { Hold } from './resilience/hold.ts';
import { rescue } from './resilience/rescue.ts';
import { RetryBudget } from './resilience/retry-budget.ts';
import { type Clock, systemClock } from './runtime/clock.ts';
import { Deadlines } from './runtime/deadlines.ts';
import { type Random, systemRandom } from './runtime/random.ts';
import { buildDirectory, Directory } from './tenant/directory.ts';
import { byListener, identify } from './tenant/identify.ts';
import { Upstream } from './upstream/upstream.ts';
import { watchStreamLimits, watchStreams } from './watch/stream.ts';

export interface Surroundings {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface RunningProxy {
  /** Where clients connect, in the order of the configuration; an optional address that could not be had is missing. */
  readonly addresses: readonly string[];
  /** Null when there is none. */
  readonly adminAddress: string | null;
  /** Goes away as the configuration says. Resolves with the number of calls that had to be cut off. */
  drain(): Promise<number>;
}

/**
 * Resolves when every listener is bound; etcd need not be reachable. Rejects with the system's error when a port cannot be
 * had, and with one that names the mistake for a configuration that `loadConfig` would not have let through.
 */
export async function startProxy(
  config: Config,
  surroundings: Surroundings,
): Promise<RunningProxy> {
  const proxy = new Assembly(config, surroundings);
  try {
    await proxy.listen();
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

class Assembly implements RunningProxy {
  adminAddress: string | null = null;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #lifecycle = new Lifecycle();
  readonly #server: ServerTransport;
  readonly #upstream: Upstream;
  readonly #breakers: Breakers;
  readonly #streams: OpenStreams;
  readonly #metrics: Metrics;
  readonly #top: Etcd<'client'>;
  readonly #listeners = new Map<string, Listener>();
  #admin: Admin | null = null;

  constructor(config: Config, surroundings: Surroundings) {
    const { logger, clock = systemClock, random = systemRandom } = surroundings;
    const directory = buildDirectory(config);
    if (!(directory instanceof Directory)) throw new Error(directory.map((p) => p.what).join('; '));
    this.#config = config;
    this.#logger = logger;
    this.#clock = clock;

    const { server, client } = transports[config.transport]({
      clock,
      random,
      onFault: (error) => this.#onFault(error, null),
    });
    this.#server = server;
    this.#upstream = new Upstream({
      endpoints: config.endpoints,
      passesCredentials: true,
      transport: client,
      clock,
      random,
      keepaliveMs: config.keepaliveMs,
      keepaliveTimeoutMs: config.keepaliveTimeoutMs,
    });
    this.#metrics = new Metrics(() => this.#upstream.snapshot());
    this.#streams = new OpenStreams(clock);
    const deadlines = new Deadlines(clock);
    this.#breakers = new Breakers({
      config: config.breaker,
      clock,
      random,
      deadlines,
      onState: (tenant, breakerClass, state) => {
        this.#metrics.breakerMoved(tenant, breakerClass, state);
        logger.warn('breaker', { tenant, breaker: breakerClass, state });
      },
    });

    this.#top = pipeline({
      rescue: rescue((call, error) => this.#onFault(error, call)),
      health: health(this.#lifecycle),
      identify: identify({
        directory: { current: directory },
        resolvers: [byListener],
        onUnidentified: (_call, why) => this.#metrics.refused(why),
      }),
      observe: observe({
        clock,
        counters: this.#metrics.calls,
        events: callLog(logger, clock),
        keyOf: config.logKeys ? (call, request) => printableKey(call.method, request) : null,
      }),
      drain: this.#streams.layer,
      authorize,
      namespace: namespace({ random, hooks: this.#namespaceHooks(), self: this.#self() }),
      watchStreams: watchStreams(watchStreamLimits),
      guard: guard({
        clock,
        deadlines,
        breakers: this.#breakers,
        budget: new RetryBudget(clock),
        hold: new Hold(this.#upstream),
        holdMs: config.holdMs,
        requestTimeoutMs: config.requestTimeoutMs,
      }),
      upstream: this.#upstream,
    });
  }

  get addresses(): readonly string[] {
    return this.#config.listeners.flatMap(({ name }) => this.#listeners.get(name)?.address ?? []);
  }

  async listen(): Promise<void> {
    for (const listener of this.#config.listeners) await this.#bind(listener);
    const { adminAddress, effective } = this.#config;
    if (adminAddress !== null) {
      this.#admin = await startAdmin({
        address: adminAddress,
        lifecycle: this.#lifecycle,
        version,
        effective,
        upstream: () => this.#upstream.snapshot(),
        metrics: () => this.#metrics.exposition(),
      });
      this.adminAddress = this.#admin.address;
    }
    this.#lifecycle.move('serving');
  }

  async drain(): Promise<number> {
    const { minMs, windowMs, maxMs } = this.#config.drain;
    this.#lifecycle.move('draining');
    // Applications delete keys and revoke leases while they stop, so calls are still accepted for a while.
    if (minMs > 0) await new Promise<void>((resolve) => this.#clock.after(minMs, resolve));
    const emptied = [...this.#listeners.values()].map((each) => each.drain(maxMs - minMs));
    await this.#streams.endAll(windowMs);
    this.#lifecycle.move('stopping');
    const cutOff = await Promise.all(emptied);
    this.#listeners.clear();
    await this.close();
    return cutOff.reduce((sum, calls) => sum + calls, 0);
  }

  /** Takes down what is there, at once. The admin address comes last: probes are answered until the end. */
  async close(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((each) => each.drain(0)));
    this.#upstream.close();
    this.#breakers.close();
    await this.#admin?.close();
  }

  async #bind({ name, address, required }: ListenerConfig): Promise<void> {
    const top = this.#top;
    const handler: CallHandler<Method> = {
      methods: methodsByPath,
      unary: (incoming, request, reply) => top.unary(new Call(incoming), request, reply),
      stream: (incoming, reply) => top.stream(new Call(incoming), reply),
    };
    const { listenerTls: tls, limits } = this.#config;
    try {
      this.#listeners.set(
        name,
        await this.#server.listen({ name, address, tls, ...limits }, handler),
      );
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (required || !addressIsMissing.has(code)) throw error;
      this.#logger.info('address not available', { address: name, code });
    }
  }

  #onFault(error: unknown, call: Call | null): void {
    this.#logger.error('fault', {
      method: call?.method.name,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  #namespaceHooks(): NamespaceHooks {
    return {
      violation: (call, fault) => {
        this.#metrics.namespaceViolated();
        this.#logger.error('namespace violation', {
          method: call.method.name,
          tenant: call.tenant?.name,
          fault,
        });
      },
      foreignLeases: (_call, count) => this.#metrics.foreignLeasesSeen(count),
    };
  }

  /** The proxy as a member of the cluster: always the same for the same address. */
  #self(): Self {
    const { advertiseClientUrls: advertised, listenerTls } = this.#config;
    const scheme = listenerTls === null ? 'http' : 'https';
    return {
      name: 'etcd-bulkhead',
      memberId: createHash('sha256').update(advertised.join()).digest().readBigUInt64BE(0) | 1n,
      clientUrls: ({ peer }) => {
        if (advertised.length > 0) return advertised;
        const address = this.#listeners.get(peer.listener)?.address ?? '';
        return [address.startsWith('/') ? `unix://${address}` : `${scheme}://${address}`];
      },
    };
  }
}

/** The machine has no such address or no such family; not: somebody else has it. */
const addressIsMissing: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/** What both halves of a transport are made with. */
interface Edge {
  readonly clock: Clock;
  readonly random: Random;
  readonly onFault: (error: unknown) => void;
}

interface Transport {
  readonly server: ServerTransport;
  readonly client: ClientTransport;
}

const transports: Readonly<Record<TransportName, (edge: Edge) => Transport>> = {
  native: (edge) => ({
    server: new NativeServerTransport({ ...edge, http1: null }),
    client: new NativeClientTransport(edge),
  }),
  'grpc-js': (edge) => ({
    server: new GrpcJsServerTransport(edge),
    client: new GrpcJsClientTransport(edge),
  }),
};
