/**
 * The composition root: builds every object of a running proxy once, top to bottom, and takes them down again in the
 * opposite order. Nothing else constructs parts or knows how they are wired; which way a call takes is pipeline.ts's.
 */
import { createHash } from 'node:crypto';
import { ActiveConfiguration } from '../admin/active-configuration.ts';
import { type Admin, startAdmin } from '../admin/server.ts';
import { Call, type Etcd, type Message } from '../call/call.ts';
import { certificateExpiries } from '../config/certificate-expiry.ts';
import type { Config } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { type Method, methodsByPath } from '../etcd/methods.ts';
import { ordersProgress } from '../etcd/releases.ts';
import { printableKey } from '../etcd/request-key.ts';
import { gateway } from '../gateway/server.ts';
import type { CallHandler } from '../grpc/transport.ts';
import { Breakers } from '../guard/breaker/breakers.ts';
import { Hold } from '../guard/hold.ts';
import { RetryBudget } from '../guard/retry-budget.ts';
import { BearerTokens } from '../identity/bearer.ts';
import { byCertificate } from '../identity/certificate.ts';
import { HashingGate } from '../identity/hashing-gate.ts';
import { byListener } from '../identity/identify.ts';
import { Passwords } from '../identity/password.ts';
import { Sessions } from '../identity/sessions.ts';
import { byToken } from '../identity/token.ts';
import { KeepAliveStats } from '../lease/context.ts';
import { KeepAlives } from '../lease/keep-alives.ts';
import { keepAliveLimits } from '../lease/limits.ts';
import { OpenStreams } from '../lifecycle/drain.ts';
import { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOver } from '../lifecycle/streams-to-end.ts';
import type { ProxyMember } from '../namespace/cluster/proxy-member.ts';
import type { NamespaceHooks } from '../namespace/hooks.ts';
import { callLog } from '../observe/call-log.ts';
import type { Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { version } from '../observe/version.ts';
import { type Parts, pipeline } from '../pipeline.ts';
import { ReadStats } from '../reads/share-reads.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { Deadlines } from '../runtime/deadlines.ts';
import { type Random, systemRandom } from '../runtime/random.ts';
import { deferToTurn } from '../runtime/turn.ts';
import { buildDirectory, Directory } from '../tenant/directory.ts';
import { Upstream } from '../upstream/upstream.ts';
import { WatchHub } from '../watch/hub/hub.ts';
import { HubStats, hubLimits } from '../watch/hub/hub-context.ts';
import { watchLimits } from '../watch/stream/watch-limits.ts';
import { Listeners } from './listeners.ts';
import { type Edge, loadTransport, type MakeTransport } from './transports.ts';

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
  /**
   * Puts another configuration in force, as far as that takes no restart, and reports it. One that is wrong, or whose
   * listeners cannot be bound, changes nothing, and is reported too. Not to be called again before it has resolved.
   */
  reload(loaded: Pick<LoadResult, 'config' | 'problems'>): Promise<void>;
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
  const proxy = new Assembly(config, surroundings, await loadTransport(config.transport));
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
  #config: Config;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #lifecycle = new Lifecycle();
  readonly #directory: { current: Directory };
  readonly #passwords = new Passwords();
  readonly #upstream: Upstream;
  readonly #breakers: Breakers;
  readonly #streams: OpenStreams;
  readonly #hub: WatchHub;
  readonly #keepAlives: KeepAlives;
  readonly #metrics: Metrics;
  readonly #listeners: Listeners;
  readonly #activeConfiguration: ActiveConfiguration;
  #admin: Admin | null = null;

  constructor(config: Config, surroundings: Surroundings, makeTransport: MakeTransport) {
    const { logger, clock = systemClock, random = systemRandom } = surroundings;
    const directory = buildDirectory(config);
    if (!(directory instanceof Directory)) throw new Error(directory.map((p) => p.what).join('; '));
    this.#config = config;
    this.#logger = logger;
    this.#clock = clock;
    this.#directory = { current: directory };

    const { server, client } = makeTransport(this.#edge(clock, random, () => top));
    this.#upstream = new Upstream({
      endpoints: config.endpoints,
      passesCredentials: (listener) => this.#passesCredentials(listener),
      login: config.login,
      onLoginFailure: (why) => logger.error('cannot log in to etcd', { why }),
      transport: client,
      clock,
      random,
      keepaliveMs: config.keepaliveMs,
      keepaliveTimeoutMs: config.keepaliveTimeoutMs,
    });
    this.#metrics = new Metrics(() => this.#upstream.snapshot());
    this.#activeConfiguration = new ActiveConfiguration(config, clock.epochMs());
    this.#metrics.reloaded(clock.epochMs() / 1_000, certificateExpiries(config));
    this.#streams = new OpenStreams(clock);
    this.#hub = new WatchHub({
      clock,
      random,
      defer: deferToTurn,
      limits: hubLimits,
      stats: new HubStats(),
      ordersProgress: () => this.#upstream.everyVersion(ordersProgress),
      onFault: (error) => this.#onFault(error, null),
    });
    const deadlines = new Deadlines(clock);
    this.#keepAlives = this.#newKeepAlives(clock, random, deadlines);
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

    const top: Etcd<'client'> = pipeline({
      rescue: (call, error) => this.#onFault(error, call),
      health: this.#lifecycle,
      ...this.#identification(new Sessions(clock, random)),
      observe: {
        clock,
        counters: this.#metrics.calls,
        events: callLog(logger, clock),
        keyOf: config.logKeys ? (call, request) => printableKey(call.method, request) : null,
      },
      drain: this.#streams,
      watch: {
        limits: watchLimits,
        hub: this.#hub,
        isShared: ({ tenant, peer }) =>
          tenant?.sharesWatches === true && !this.#passesCredentials(peer.listener),
      },
      namespace: { random, hooks: this.#namespaceHooks(), self: this.#self() },
      ...this.#sharing(deadlines),
      guard: {
        clock,
        deadlines,
        breakers: this.#breakers,
        budget: new RetryBudget(clock),
        hold: new Hold(this.#upstream),
        holdMs: config.holdMs,
        requestTimeoutMs: config.requestTimeoutMs,
      },
      upstream: this.#upstream,
    });
    const handler: CallHandler<Method> = {
      methods: methodsByPath,
      unary: (incoming, request, responses) =>
        top.unary(new Call(incoming), request as Message<'client'>, responses),
      stream: (incoming, responses) => top.stream(new Call(incoming), responses),
    };
    this.#listeners = new Listeners({
      server,
      handler,
      onMissing: ({ name }, code) => logger.info('address not available', { address: name, code }),
    });
  }

  get addresses(): readonly string[] {
    return this.#config.listeners.flatMap(({ name }) => this.#listeners.addressOf(name) ?? []);
  }

  async listen(): Promise<void> {
    await this.#listeners.prepare(this.#config);
    const { adminAddress } = this.#config;
    if (adminAddress !== null) {
      this.#admin = await startAdmin({
        address: adminAddress,
        lifecycle: this.#lifecycle,
        version,
        configuration: () => this.#activeConfiguration.report,
        upstream: () => this.#upstream.snapshot(),
        metrics: () => this.#metrics.exposition(),
      });
      this.adminAddress = this.#admin.address;
    }
    this.#lifecycle.move('serving');
  }

  async reload({ config, problems }: Pick<LoadResult, 'config' | 'problems'>): Promise<void> {
    if (config === null) {
      this.#keep(problems.map(formatProblem));
      return;
    }
    const before = this.#directory.current;
    const directory = buildDirectory(config, before);
    if (!(directory instanceof Directory)) {
      this.#keep(directory.map(formatProblem));
      return;
    }
    try {
      await this.#listeners.prepare(config);
    } catch (error) {
      this.#keep([(error as Error).message]);
      return;
    }
    // From here on nothing fails, and nothing waits: there is no moment at which the half of it is in force.
    const { windowMs, maxMs } = config.drain;
    this.#config = config;
    this.#directory.current = directory;
    this.#upstream.update(config, config.requestTimeoutMs);
    const bindAnew = this.#listeners.commit(config, maxMs);
    void this.#streams.endWhere(isOver(before, directory), windowMs);
    const nowMs = this.#clock.epochMs();
    this.#activeConfiguration.apply(config, nowMs, bindAnew);
    this.#metrics.reloaded(nowMs / 1_000, certificateExpiries(config));
    this.#logger.info('reloaded', { needRestart: this.#activeConfiguration.report.needRestart });
  }

  async drain(): Promise<number> {
    const { minMs, windowMs, maxMs } = this.#config.drain;
    this.#lifecycle.move('draining');
    // Applications delete keys and revoke leases while they stop, so calls are still accepted for a while.
    if (minMs > 0) await new Promise<void>((resolve) => this.#clock.after(minMs, resolve));
    const emptied = this.#listeners.drain(maxMs - minMs);
    await this.#streams.endAll(windowMs);
    this.#lifecycle.move('stopping');
    const cutOff = await emptied;
    await this.close();
    return cutOff;
  }

  /** Takes down what is there, at once. The admin address comes last: probes are answered until the end. */
  async close(): Promise<void> {
    await this.#listeners.drain(0);
    this.#hub.close();
    this.#keepAlives.close();
    this.#upstream.close();
    this.#breakers.close();
    this.#passwords.close();
    await this.#admin?.close();
  }

  /** The active configuration stays, because the new one has problems. */
  #keep(problems: readonly string[]): void {
    this.#activeConfiguration.reject(problems);
    this.#metrics.reloadFailed();
    this.#logger.error('reload failed; the previous configuration stays active', {
      problems,
    });
  }

  /** Whether clients of that listener use their own credentials at etcd. */
  #passesCredentials(listener: string): boolean {
    return this.#directory.current.listener(listener)?.passesCredentials === true;
  }

  #onFault(error: unknown, call: Call | null): void {
    this.#logger.error('fault', {
      method: call?.method.name,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  /** What the sockets are given: clients that speak HTTP/1.1 are answered through the same pipeline as the others. */
  #edge(clock: Clock, random: Random, etcd: () => Etcd<'client'>): Edge {
    const onFault = (error: unknown) => this.#onFault(error, null);
    const { advertiseClientUrls } = this.#config;
    const http1 = gateway({
      etcd,
      upstream: () => this.#upstream.snapshot(),
      hostNames: advertiseClientUrls.flatMap((url) => URL.parse(url)?.hostname ?? []),
      clock,
      onFault,
    });
    return { clock, random, onFault, http1 };
  }

  #newKeepAlives(clock: Clock, random: Random, deadlines: Deadlines): KeepAlives {
    const { holdMs, requestTimeoutMs } = this.#config;
    return new KeepAlives({
      clock,
      random,
      deadlines,
      limits: keepAliveLimits,
      stats: new KeepAliveStats(),
      availability: this.#upstream,
      holdMs,
      requestTimeoutMs,
      onFault: (error) => this.#onFault(error, null),
    });
  }

  /** The layers that let calls share calls at etcd. Calls with a client's own credentials are never shared. */
  #sharing(deadlines: Deadlines): Pick<Parts, 'shareReads' | 'shareKeepAlives'> {
    return {
      shareReads: {
        isEnabled: this.#config.shareReads,
        clock: this.#clock,
        deadlines,
        stats: new ReadStats(),
        isShared: ({ peer }) => !this.#passesCredentials(peer.listener),
      },
      shareKeepAlives: {
        keepAlives: this.#keepAlives,
        isShared: ({ peer }) =>
          this.#config.shareKeepAlives && !this.#passesCredentials(peer.listener),
      },
    };
  }

  /** The two layers that identify calls. One issues the session tokens that the other accepts. */
  #identification(sessions: Sessions): Pick<Parts, 'authenticate' | 'identify'> {
    const directory = this.#directory;
    return {
      authenticate: {
        directory,
        sessions,
        passwords: this.#passwords,
        gate: new HashingGate(),
        onOutcome: (_call, reason) => this.#metrics.authenticated(reason ?? 'token'),
      },
      identify: {
        directory,
        // As in etcd, a token takes precedence over a certificate.
        sources: [byToken(sessions, new BearerTokens(this.#clock)), byCertificate(), byListener],
        onRejected: (_call, reason) => this.#metrics.calls.rejected(reason),
      },
    };
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
  #self(): ProxyMember {
    const { advertiseClientUrls: advertised } = this.#config;
    return {
      name: 'etcd-bulkhead',
      memberId: createHash('sha256').update(advertised.join()).digest().readBigUInt64BE(0) | 1n,
      clientUrls: ({ peer }) => {
        if (advertised.length > 0) return advertised;
        const scheme = this.#listeners.isSecure(peer.listener) ? 'https' : 'http';
        const address = this.#listeners.addressOf(peer.listener) ?? '';
        return [address.startsWith('/') ? `unix://${address}` : `${scheme}://${address}`];
      },
    };
  }
}
