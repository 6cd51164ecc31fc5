/** A running proxy: starts it, and takes it through reloads and the drain. assembly.ts builds its objects. */
import { hostname } from 'node:os';
import type { Action, ActionResult, BreakerReport } from '../admin/actions.ts';
import { auditedActions } from '../admin/audited-actions.ts';
import type {
  ConfigurationReport,
  EndpointReport,
  FeedReport,
  HealthReport,
  TenantReport,
} from '../admin/reports.ts';
import { type Admin, startAdmin } from '../admin/server.ts';
import type { Config } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import type { RegistrationConfig } from '../config/sections/registration.ts';
import type { EndpointUser } from '../discovery/endpoint-source.ts';
import type { TenantAdvice } from '../observe/advice/report.ts';
import type { MetricsSnapshot } from '../observe/metrics.ts';
import { noOpenCalls, type OpenCalls, openCalls } from '../observe/open-calls.ts';
import { version } from '../observe/version.ts';
import { systemClock } from '../runtime/clock.ts';
import { memberEndpoints } from '../upstream/member-endpoints.ts';
import { performAction } from './admin-actions.ts';
import { Assembly, type ProxyDependencies } from './assembly.ts';
import type { PreparedConfiguration } from './configuration-applier.ts';
import { endpointReports } from './endpoint-reports.ts';
import { loadObservers } from './observers.ts';
import { tenantReports } from './tenant-reports.ts';
import { loadTracing } from './tracing.ts';
import { loadTransport } from './transports.ts';
import { upstreamHealth } from './upstream-health.ts';

export interface RunningProxy extends EndpointUser {
  /** The bound addresses, in the order of the configuration. An optional address that is not available is missing. */
  readonly addresses: readonly string[];
  /** Null without an admin address. */
  readonly adminAddress: string | null;
  /**
   * Applies another configuration, except settings that need a restart. A configuration that has problems, or whose listeners
   * cannot be bound, changes nothing. Both outcomes are logged. Must not be called again before it has resolved. Resolves with whether
   * the configuration is active now.
   */
  reload(loaded: Pick<LoadResult, 'config' | 'problems'>): Promise<boolean>;
  /** Uses these endpoints, as in --endpoints; null for the configured ones. Must not be called during a reload. */
  replaceEndpoints(found: readonly string[] | null): void;
  /** Drains as configured and stops. */
  drain(): Promise<DrainReport>;
}

/** What a drain has aborted, because it was still open after `max-drain`. */
export interface DrainReport {
  /** Includes calls without a tenant, such as health checks. */
  readonly abortedCalls: number;
  /** The calls of tenants. */
  readonly open: OpenCalls;
}

/**
 * Resolves when every listener is bound; etcd need not be reachable. Rejects with the system's error if an address cannot be
 * bound, and with a description of the problems if `config` has some that `loadConfig` reports.
 */
export async function startProxy(
  config: Config,
  dependencies: ProxyDependencies,
): Promise<SupervisedProxy> {
  const transport = await loadTransport(config.transport);
  const { logger, clock = systemClock } = dependencies;
  const [tracing, observers] = await Promise.all([
    loadTracing(config.tracing, clock, logger),
    loadObservers(config, logger),
  ]);
  const assembly = new Assembly(config, { ...dependencies, tracing }, transport, observers);
  const proxy = new AssembledProxy(assembly);
  try {
    await proxy.listen();
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

/** What a worker needs in addition: its primary process applies configurations and serves the admin address. */
export interface SupervisedProxy extends RunningProxy {
  /** The bound addresses, by the names of their listeners. */
  readonly addressesByListener: ReadonlyMap<string, string>;
  readonly configuration: ConfigurationReport;
  readonly endpoints: readonly EndpointReport[];
  readonly feeds: readonly FeedReport[];
  readonly tenants: readonly TenantReport[];
  readonly openCalls: OpenCalls;
  readonly breakers: readonly BreakerReport[];
  readonly advice: readonly TenantAdvice[];
  perform(action: Action): ActionResult;
  /** Whether etcd serves the proxy. Never rejects. */
  health(): Promise<HealthReport>;
  metrics(): Promise<MetricsSnapshot>;
  /** Returns problems, or a configuration to commit or to discard. Never rejects. */
  prepare(config: Config): Promise<PreparedConfiguration | readonly string[]>;
}

class AssembledProxy implements SupervisedProxy {
  adminAddress: string | null = null;
  readonly #parts: Assembly;
  #admin: Admin | null = null;

  constructor(parts: Assembly) {
    this.#parts = parts;
  }

  get addresses(): readonly string[] {
    const { configuration, listeners } = this.#parts;
    return configuration.config.listeners.flatMap(({ name }) => listeners.addressOf(name) ?? []);
  }

  get addressesByListener(): ReadonlyMap<string, string> {
    return this.#parts.listeners.addresses;
  }

  get configuration(): ConfigurationReport {
    return this.#parts.configuration.report;
  }

  get endpoints(): readonly EndpointReport[] {
    return endpointReports(this.#parts.upstream);
  }

  get feeds(): readonly FeedReport[] {
    return this.#parts.hub.snapshot();
  }

  get tenants(): readonly TenantReport[] {
    return tenantReports(this.#parts);
  }

  get openCalls(): OpenCalls {
    return openCalls(this.#parts.metrics.calls);
  }

  get breakers(): readonly BreakerReport[] {
    return this.#parts.breakers.noted;
  }

  get advice(): readonly TenantAdvice[] {
    return this.#parts.observers.advice?.report ?? [];
  }

  perform(action: Action): ActionResult {
    return performAction(this.#parts, action);
  }

  async hasEndpoint(): Promise<boolean> {
    return this.endpoints.some(({ state }) => state === 'ready');
  }

  memberEndpoints(): Promise<readonly string[] | null> {
    return memberEndpoints(this.#parts.members);
  }

  health(): Promise<HealthReport> {
    const { upstream, clock } = this.#parts;
    return upstreamHealth(upstream, clock);
  }

  metrics(): Promise<MetricsSnapshot> {
    return this.#parts.metrics.snapshot();
  }

  prepare(config: Config): Promise<PreparedConfiguration | readonly string[]> {
    return this.#parts.configuration.prepare(config);
  }

  async listen(): Promise<void> {
    const { configuration, listeners, lifecycle, metrics, clock, observers } = this.#parts;
    const { onShutdownRequest } = this.#parts;
    const { config } = configuration;
    await listeners.prepare(config);
    if (config.adminAddress !== null) {
      this.#admin = await startAdmin({
        address: config.adminAddress,
        tls: config.adminTls,
        lifecycle,
        clock,
        version,
        configuration: () => this.configuration,
        upstream: () => this.endpoints,
        feeds: () => this.feeds,
        tenants: () => this.tenants,
        ...(observers.advice !== null && { advice: () => this.advice }),
        openCalls: () => this.openCalls,
        health: () => this.health(),
        metrics: () => metrics.exposition(),
        ...(config.adminShutdown && onShutdownRequest && { onShutdown: onShutdownRequest }),
        ...(config.adminActions && {
          actions: {
            breakers: () => this.breakers,
            perform: (action) => this.perform(action),
            ...auditedActions(observers.audit),
          },
        }),
      });
      this.adminAddress = this.#admin.address;
    }
    if (config.registration !== null) await this.#register(config.registration, config);
    lifecycle.move('serving');
  }

  /** The code is loaded only if it is needed. */
  async #register(
    registration: RegistrationConfig,
    { advertiseClientUrls }: Config,
  ): Promise<void> {
    const { Registration } = await import('../upstream/registration.ts');
    const { upstream, clock, random, logger } = this.#parts;
    this.#parts.registration = new Registration(registration, {
      ...{ upstream, clock, random },
      own: advertiseClientUrls.map((address) => ({ name: hostname(), address })),
      onState: (failure) => {
        if (failure === '') logger.info('registered', { ...registration });
        else logger.warn('cannot register', { ...registration, reason: failure });
      },
    });
  }

  async reload(loaded: Pick<LoadResult, 'config' | 'problems'>): Promise<boolean> {
    const { configuration } = this.#parts;
    const isApplied = await configuration.apply(loaded);
    this.#admin?.replaceTls(configuration.config.adminTls);
    return isApplied;
  }

  replaceEndpoints(found: readonly string[] | null): void {
    this.#parts.configuration.replaceEndpoints(found);
  }

  async drain(): Promise<DrainReport> {
    const { configuration, listeners, lifecycle, streams, clock } = this.#parts;
    const { minMs, windowMs, maxMs } = configuration.config.drain;
    lifecycle.move('draining');
    // So that no client is sent here any more.
    void this.#parts.registration?.close();
    // Applications delete keys and revoke leases while they stop, so the proxy still accepts calls for this time.
    if (minMs > 0) await new Promise<void>((resolve) => clock.after(minMs, resolve));
    let open = noOpenCalls;
    // Before the timers of the listeners, which abort these calls.
    const cancelTimer = clock.after(maxMs - minMs, () => {
      open = this.openCalls;
    });
    const drained = listeners.drain(maxMs - minMs);
    await streams.endAll(windowMs);
    lifecycle.move('stopping');
    const abortedCalls = await drained;
    cancelTimer();
    await this.close();
    return { abortedCalls, open };
  }

  /** Closes everything at once. The admin address is last, so that probes get a response until the end. */
  async close(): Promise<void> {
    const { listeners, hub, keepAlives, upstream, breakers, passwords } = this.#parts;
    const { tracing, observers } = this.#parts;
    await listeners.drain(0);
    await this.#parts.registration?.close();
    hub.close();
    keepAlives.close();
    upstream.close();
    breakers.close();
    passwords.close();
    observers.advice?.close();
    await tracing?.close();
    await this.#admin?.close();
  }
}
