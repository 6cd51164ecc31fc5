/**
 * The composition root: builds every object of a proxy once, from the upstream up to the listeners. No other file knows how
 * the objects are connected. The order of the layers is in pipeline.ts.
 */

import { type CacheContext, newCacheContext } from '../cache/cache-context.ts';
import type { Call, Etcd } from '../call/call.ts';
import type { Config } from '../config/config.ts';
import { keysOnlyLeases, ordersProgress } from '../etcd/releases.ts';
import { HttpGateway } from '../gateway/http-gateway.ts';
import { Http2Exchange } from '../gateway/http2-exchange.ts';
import { http1Server } from '../gateway/server.ts';
import type { ClientConnections } from '../grpc/connections/client-connections.ts';
import type { MessageMemory } from '../grpc/message-memory.ts';
import type { ClientTransport } from '../grpc/transport.ts';
import { Breakers } from '../guard/breaker/breakers.ts';
import { Hold } from '../guard/hold.ts';
import { makeQueues, type Queues } from '../guard/queues.ts';
import { RetryBudget } from '../guard/retry-budget.ts';
import { Passwords } from '../identity/password.ts';
import { KeepAlives } from '../lease/keep-alives.ts';
import { keepAliveLimits } from '../lease/limits.ts';
import { OpenStreams } from '../lifecycle/drain.ts';
import { Lifecycle } from '../lifecycle/lifecycle.ts';
import { proxyHeader } from '../namespace/cluster/proxy-header.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import { allOf } from '../observe/events.ts';
import { keyText } from '../observe/key-text.ts';
import type { Logger } from '../observe/logger.ts';
import { type ForcedState, Metrics } from '../observe/metrics.ts';
import { processMetric } from '../observe/process-metrics.ts';
import type { Tracing } from '../observe/tracing/tracing.ts';
import { pipeline } from '../pipeline.ts';
import { ReadStats } from '../reads/coalesce.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { Deadlines } from '../runtime/deadlines.ts';
import { type Random, systemRandom } from '../runtime/random.ts';
import { deferToTurn } from '../runtime/turn.ts';
import { buildDirectory, Directory } from '../tenant/directory.ts';
import { Usage } from '../tenant/usage.ts';
import { hasCredentials } from '../upstream/forwarded-metadata.ts';
import type { MemberEndpointsParts } from '../upstream/member-endpoints.ts';
import type { Registration } from '../upstream/registration.ts';
import { Upstream } from '../upstream/upstream.ts';
import { WatchHub } from '../watch/hub/hub.ts';
import { HubStats, hubLimits } from '../watch/hub/hub-context.ts';
import { watchLimits } from '../watch/stream/watch-limits.ts';
import { boundedCacheLimits } from './cache-limits.ts';
import { callHandler } from './call-handler.ts';
import { clientConnections } from './client-connections.ts';
import { ConfigurationApplier } from './configuration-applier.ts';
import { identityParts } from './identity-parts.ts';
import { Listeners } from './listeners.ts';
import { proxyMember } from './member.ts';
import { messageMemory } from './message-memory.ts';
import { namespaceHooks } from './namespace-hooks.ts';
import { noObserverModules, type ObserverModules, Observers } from './observers.ts';
import type { Transport } from './transports.ts';

export interface ProxyDependencies {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** In a worker: the key that signs session tokens of all workers, without --token-key-file. */
  readonly tokenKey?: Uint8Array;
  /** Called when a client of the admin address asks the process to drain, if `admin-shutdown` permits it. */
  readonly onShutdownRequest?: (remote: string) => void;
  /** Null or missing: calls are not traced. */
  readonly tracing?: Tracing | null;
}

export class Assembly {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly tokenKey: Uint8Array | null;
  readonly onShutdownRequest: ProxyDependencies['onShutdownRequest'];
  readonly tracing: Tracing | null;
  readonly lifecycle = new Lifecycle();
  readonly passwords = new Passwords();
  readonly directory: { current: Directory };
  /** What all tenants together use. */
  readonly total = new Usage();
  readonly memory: MessageMemory;
  readonly connections: ClientConnections;
  readonly deadlines: Deadlines;
  readonly streams: OpenStreams;
  readonly upstream: Upstream;
  readonly members: MemberEndpointsParts;
  /** Null before the start, and if the proxy does not register itself. */
  registration: Registration | null = null;
  readonly hold: Hold;
  readonly queues: Queues;
  readonly hub: WatchHub;
  readonly cache: CacheContext;
  readonly keepAlives: KeepAlives;
  readonly readStats = new ReadStats();
  readonly observers: Observers;
  readonly metrics: Metrics;
  readonly breakers: Breakers;
  readonly listeners: Listeners;
  readonly configuration: ConfigurationApplier;
  /** For the transports and the gateway. */
  readonly #onFault = (error: unknown): void => logFault(this.logger, error, null);

  /** Throws if `config` has problems that `loadConfig` reports. */
  constructor(
    config: Config,
    dependencies: ProxyDependencies,
    transport: Transport,
    modules: ObserverModules = noObserverModules,
  ) {
    this.logger = dependencies.logger;
    this.clock = dependencies.clock ?? systemClock;
    this.random = dependencies.random ?? systemRandom;
    this.tokenKey = dependencies.tokenKey ?? null;
    this.onShutdownRequest = dependencies.onShutdownRequest;
    const tracing = dependencies.tracing ?? null;
    this.tracing = tracing;
    this.directory = { current: directoryOf(config) };
    this.directory.current.applyLimits();
    this.total.limits = config.totals;
    this.memory = messageMemory(config, this.clock);
    this.connections = clientConnections(config, this.logger, this.clock);
    this.deadlines = new Deadlines(this.clock);
    this.streams = new OpenStreams(this.clock);
    const client = transport.makeClient({
      ...{ clock: this.clock, random: this.random, memory: this.memory },
      onFault: this.#onFault,
    });
    this.upstream = this.#buildUpstream(config, client);
    this.members = {
      upstream: this.upstream,
      transport: client,
      clock: this.clock,
      tls: () => this.configuration.config.secureTls,
      requiresTls: () => this.configuration.config.endpoints.every(({ tls }) => tls !== null),
    };
    this.hold = new Hold(this.upstream);
    const hasOneTenant = config.tenants.length === 1;
    this.queues = makeQueues({ ...config.limits, hasOneTenant }, this.random);
    this.hub = this.#buildHub(config);
    this.cache = newCacheContext(
      {
        clock: this.clock,
        deadlines: this.deadlines,
        ordersProgress: () => this.upstream.everyVersion(ordersProgress),
        keysOnlyLeases: () => keysOnlyLeases((test) => this.upstream.everyVersion(test)),
      },
      boundedCacheLimits(config),
    );
    this.keepAlives = this.#buildKeepAlives(config);
    this.observers = new Observers(config, modules, this);
    this.metrics = new Metrics({
      upstream: () => this.upstream.snapshot(),
      guard: () => ({
        heldCalls: this.hold.heldCalls,
        heldBytes: this.hold.heldBytes,
        inFlightCalls: this.queues.queue.weight,
        queuedCalls: this.queues.queue.queuedCalls,
        readBytes: this.queues.reads.weight,
        queuedReads: this.queues.reads.queuedCalls,
        liveBreakers: this.breakers.liveCount,
      }),
      forced: () => this.#forcedStates(),
      watches: () => this.hub.stats,
      memory: () => [this.memory.requests, this.memory.responses],
      connections: () => this.connections,
      limits: () => ({
        tenants: this.directory.current.states.filter(({ isUsed }) => isUsed),
        total: this.total,
      }),
      cache: () => this.cache,
      sharing: () => ({ keepAlives: this.keepAlives.stats, reads: this.readStats }),
      traces: tracing === null ? null : () => tracing.usage,
      logs: () => ({
        droppedLines: this.logger.droppedLines,
        suppressed: this.observers.suppressed,
      }),
      advice: () => this.observers.advice,
    });
    this.breakers = this.#buildBreakers(config);
    this.listeners = this.#buildListeners(config, transport, this.#buildPipeline(config));
    this.configuration = new ConfigurationApplier(config, this);
  }

  get audit(): AuditLog {
    return this.observers.audit;
  }

  get configurationAudit(): AuditLog | null {
    return this.tokenKey === null ? this.audit : null;
  }

  #forcedStates(): readonly ForcedState[] {
    const breakers = this.breakers.noted.filter(({ isForced }) => isForced);
    const endpoints = this.upstream.snapshot().filter(({ isForced }) => isForced);
    return [
      ...breakers.map(({ tenant, breaker, state }) => ({
        ...{ kind: 'breaker' as const, name: `${tenant}/${breaker}`, state },
      })),
      ...endpoints.map(({ name }) => ({ kind: 'endpoint' as const, name, state: 'ejected' })),
    ];
  }

  #buildUpstream(config: Config, transport: ClientTransport): Upstream {
    const { logger, clock, random, memory } = this;
    return new Upstream({
      memory,
      endpoints: config.endpoints,
      passesCredentials: (listener) => this.#passesCredentials(listener),
      login: config.login,
      mayMoveStreams: () => this.lifecycle.isReady,
      onLoginFailure: (reason) => logger.error('cannot log in to etcd', { reason }),
      onClusterReplaced: () => {
        logger.warn('cluster replaced');
        this.configuration.forgetCluster();
      },
      transport,
      clock,
      random,
      keepaliveMs: config.keepaliveMs,
      keepaliveTimeoutMs: config.keepaliveTimeoutMs,
    });
  }

  #buildHub({ holdMs }: Config): WatchHub {
    const { clock, random, upstream } = this;
    return new WatchHub({
      clock,
      random,
      defer: deferToTurn,
      limits: hubLimits,
      holdMs,
      stats: new HubStats(),
      ordersProgress: () => upstream.everyVersion(ordersProgress),
      onFault: this.#onFault,
    });
  }

  #buildKeepAlives({ holdMs, requestTimeoutMs }: Config): KeepAlives {
    const { clock, random, deadlines, upstream } = this;
    return new KeepAlives({
      clock,
      random,
      deadlines,
      limits: keepAliveLimits,
      availability: upstream,
      holdMs,
      requestTimeoutMs,
      onFault: this.#onFault,
    });
  }

  /** Whether clients of that listener use their own credentials at etcd. */
  #passesCredentials(listener: string): boolean {
    return this.directory.current.listener(listener)?.passesCredentials === true;
  }

  /** Whether the call has the same identity at etcd as the proxy's own calls. */
  #hasSharedIdentity({ peer, metadata }: Pick<Call, 'peer' | 'metadata'>): boolean {
    if (!this.#passesCredentials(peer.listener)) return true;
    return this.configuration.config.login === null && !hasCredentials(metadata);
  }

  #buildBreakers(config: Config): Breakers {
    const { logger, clock, random, deadlines, metrics } = this;
    return new Breakers({
      config: config.breaker,
      clock,
      random,
      deadlines,
      onState: (tenant, breaker, state) => {
        metrics.breakerMoved(tenant, breaker, state);
        logger.warn('breaker', { tenant, breaker, state });
      },
    });
  }

  #buildPipeline(config: Config): Etcd<'client'> {
    const { logger, clock, random, deadlines, metrics, breakers, upstream } = this;
    const self = proxyMember(
      config.advertiseClientUrls,
      () => this.listeners,
      () => this.registration?.proxies ?? [],
    );
    const header = () => proxyHeader(upstream.header, self.memberId);
    const { identityOf, ...identity } = identityParts(this, header);
    return pipeline({
      rescue: {
        onFault: (call, error) => logFault(logger, error, call),
        onRejected: (_call, reason) => metrics.calls.rejected(reason),
      },
      health: this.lifecycle,
      ...identity,
      trace: this.tracing,
      observe: {
        clock,
        counters: metrics.calls,
        events: allOf([
          ...(this.tracing === null ? [] : [this.tracing.events(keyText(config.logKeys))]),
          this.observers.events(identityOf),
        ]),
      },
      drain: this.streams,
      limit: { clock, total: this.total },
      cache: {
        context: this.cache,
        hub: this.hub,
        isShared: (call) => this.#hasSharedIdentity(call),
      },
      watch: {
        limits: watchLimits,
        hub: this.hub,
        total: this.total,
        isShared: (call) => call.tenant?.sharesWatches === true && this.#hasSharedIdentity(call),
      },
      coalesce: {
        isEnabled: config.shareReads,
        clock,
        deadlines,
        stats: this.readStats,
        isShared: (call) => this.#hasSharedIdentity(call),
      },
      namespace: {
        random,
        hooks: namespaceHooks(this, identityOf),
        self,
      },
      renew: {
        keepAlives: this.keepAlives,
        isShared: (call) =>
          this.configuration.config.shareKeepAlives && this.#hasSharedIdentity(call),
      },
      guard: {
        clock,
        deadlines,
        breakers,
        budget: new RetryBudget(clock),
        hold: this.hold,
        ...this.queues,
        holdMs: config.holdMs,
        requestTimeoutMs: config.requestTimeoutMs,
        onRetry: (method) => metrics.retried(method),
      },
      upstream,
    });
  }

  #buildListeners(config: Config, transport: Transport, etcd: Etcd<'client'>): Listeners {
    const { logger, clock, random, memory, connections, upstream } = this;
    const gateway = new HttpGateway({
      etcd,
      upstream: () => upstream.snapshot(),
      hostNames: config.advertiseClientUrls.flatMap((url) => URL.parse(url)?.hostname ?? []),
      origins: config.corsOrigins,
      processMetric,
      hasJson: config.jsonGateway,
      memory,
      messageBytesMax: config.limits.messageBytesMax,
      clock,
      onRejected: (reason) => this.metrics.calls.rejected(reason),
      onFault: this.#onFault,
    });
    const http1 = http1Server(gateway, { clock, memory, onFault: this.#onFault });
    return new Listeners({
      server: transport.makeServer({
        ...{ clock, random, memory, connections, http1 },
        onPlainRequest: (stream, head, peer) => {
          const exchange = new Http2Exchange(stream, head, peer, this.#onFault);
          gateway.serve(exchange);
          return exchange;
        },
        onFault: this.#onFault,
      }),
      handler: callHandler(etcd),
      onUnavailable: ({ name }, code) =>
        logger.info('address not available', { address: name, code }),
    });
  }
}

function directoryOf(config: Config): Directory {
  const directory = buildDirectory(config);
  if (directory instanceof Directory) return directory;
  throw new Error(directory.map((problem) => problem.what).join('; '));
}

function logFault(logger: Logger, error: unknown, call: Call | null): void {
  logger.error('fault', {
    method: call?.method.name,
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
}
