/**
 * The composition root: builds every object of a running proxy once, top to bottom, and takes them down again in the
 * opposite order. Nothing else constructs parts or knows how they are wired; which way a call takes is pipeline.ts's.
 */
import { createHash } from 'node:crypto';
import { InForce } from '../admin/active-configuration.ts';
import { type Admin, startAdmin } from '../admin/server.ts';
import { Call, type Etcd, type Message } from '../call/call.ts';
import { certificateExpiries } from '../config/certificate-expiry.ts';
import type { Config } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { type Method, methodsByPath } from '../etcd/methods.ts';
import { printableKey } from '../etcd/request-key.ts';
import { gateway } from '../gateway/server.ts';
import type { CallHandler } from '../grpc/transport.ts';
import { Breakers } from '../guard/breaker/breakers.ts';
import { Hold } from '../guard/hold.ts';
import { RetryBudget } from '../guard/retry-budget.ts';
import { byCertificate } from '../identity/certificate.ts';
import { HashingGate } from '../identity/hashing-gate.ts';
import { byListener } from '../identity/identify.ts';
import { Passwords } from '../identity/password.ts';
import { Sessions } from '../identity/sessions.ts';
import { byToken } from '../identity/token.ts';
import { OpenStreams } from '../lifecycle/drain.ts';
import { Lifecycle } from '../lifecycle/lifecycle.ts';
import { streamsToEnd } from '../lifecycle/streams-to-end.ts';
import type { ProxyMember } from '../namespace/cluster/proxy-member.ts';
import type { NamespaceHooks } from '../namespace/hooks.ts';
import { callLog } from '../observe/call-log.ts';
import type { Logger } from '../observe/logger.ts';
import { Metrics } from '../observe/metrics.ts';
import { version } from '../observe/version.ts';
import { type Parts, pipeline } from '../pipeline.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { Deadlines } from '../runtime/deadlines.ts';
import { type Random, systemRandom } from '../runtime/random.ts';
import { buildDirectory, Directory } from '../tenant/directory.ts';
import { Upstream } from '../upstream/upstream.ts';
import { watchLimits } from '../watch/stream/watch-stream.ts';
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
  readonly #metrics: Metrics;
  readonly #listeners: Listeners;
  readonly #inForce: InForce;
  #admin: Admin | null = null;

  constructor(config: Config, surroundings: Surroundings, makeTransport: MakeTransport) {
    const { logger, clock = systemClock, random = systemRandom } = surroundings;
    const directory = buildDirectory(config, clock);
    if (!(directory instanceof Directory)) throw new Error(directory.map((p) => p.what).join('; '));
    this.#config = config;
    this.#logger = logger;
    this.#clock = clock;
    this.#directory = { current: directory };

    const { server, client } = makeTransport(this.#edge(clock, random, () => top));
    this.#upstream = new Upstream({
      endpoints: config.endpoints,
      passesCredentials: (listener) =>
        this.#directory.current.listener(listener)?.passesCredentials === true,
      login: config.login,
      onLoginFailure: (why) => logger.error('cannot log in to etcd', { why }),
      transport: client,
      clock,
      random,
      keepaliveMs: config.keepaliveMs,
      keepaliveTimeoutMs: config.keepaliveTimeoutMs,
    });
    const hold = new Hold(this.#upstream);
    this.#metrics = new Metrics(
      () => this.#upstream.snapshot(),
      () => ({
        heldCalls: hold.heldCalls,
        heldBytes: hold.heldBytes,
        liveBreakers: this.#breakers.liveCount,
      }),
    );
    this.#inForce = new InForce(config, clock.epochMs());
    this.#metrics.reloaded(clock.epochMs() / 1_000, certificateExpiries(config));
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

    const top: Etcd<'client'> = pipeline({
      rescue: (call, error) => this.#onFault(error, call),
      health: this.#lifecycle,
      ...this.#whoCalls(new Sessions(clock, random)),
      observe: {
        clock,
        counters: this.#metrics.calls,
        events: callLog(logger, clock),
        keyOf: config.logKeys ? (call, request) => printableKey(call.method, request) : null,
      },
      drain: this.#streams,
      watch: watchLimits,
      namespace: { random, hooks: this.#namespaceHooks(), self: this.#self() },
      guard: {
        clock,
        deadlines,
        breakers: this.#breakers,
        budget: new RetryBudget(clock),
        hold,
        holdMs: config.holdMs,
        requestTimeoutMs: config.requestTimeoutMs,
        onRetry: (method) => this.#metrics.retried(method),
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
        configuration: () => this.#inForce.report,
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
    const directory = buildDirectory(config, this.#clock, before);
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
    void this.#streams.endWhere(streamsToEnd(before, directory), windowMs);
    const nowMs = this.#clock.epochMs();
    this.#inForce.replace(config, nowMs, bindAnew);
    this.#metrics.reloaded(nowMs / 1_000, certificateExpiries(config));
    this.#logger.info('reloaded', { needRestart: this.#inForce.report.needRestart });
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
    this.#upstream.close();
    this.#breakers.close();
    this.#passwords.close();
    await this.#admin?.close();
  }

  /** What was loaded is wrong: the configuration in force stays. */
  #keep(problems: readonly string[]): void {
    this.#inForce.refuse(problems);
    this.#metrics.reloadFailed();
    this.#logger.error('the configuration is wrong; the one before it stays in force', {
      problems,
    });
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

  /** The two layers that tell tenants apart. Tokens that one hands out, the other takes. */
  #whoCalls(sessions: Sessions): Pick<Parts, 'authenticate' | 'identify'> {
    const directory = this.#directory;
    return {
      authenticate: {
        directory,
        sessions,
        passwords: this.#passwords,
        gate: new HashingGate(),
        onAnswer: (_call, why) => this.#metrics.authenticated(why ?? 'token'),
      },
      identify: {
        directory,
        // As in etcd a token goes before a certificate. Who shows neither is whom the listener is for.
        resolvers: [byToken(sessions), byCertificate(), byListener],
        onUnidentified: (_call, why) => this.#metrics.refused(why),
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
