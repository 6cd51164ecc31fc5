/**
 * The primary process of `--workers`: starts the workers, replaces those that end, and passes reloads and the drain on to
 * them. It serves the admin address for all. It binds the client addresses through node:cluster and serves no clients.
 */
import cluster from 'node:cluster';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ActiveConfiguration } from '../admin/active-configuration.ts';
import { auditedActions } from '../admin/audited-actions.ts';
import type {
  ByWorker,
  EndpointReport,
  FeedReport,
  HealthReport,
  TenantReport,
  WorkerReport,
} from '../admin/reports.ts';
import { type Admin, startAdmin } from '../admin/server.ts';
import type { Config } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { removeAbandonedSocket } from '../grpc/bind.ts';
import { newTokenKey } from '../identity/signed-tokens.ts';
import { Lifecycle } from '../lifecycle/lifecycle.ts';
import { mergedAdvice, type TenantAdvice } from '../observe/advice/report.ts';
import { AuditLog } from '../observe/audit-log.ts';
import { SuppressedLines } from '../observe/log-metrics.ts';
import type { Logger } from '../observe/logger.ts';
import { type OpenCalls, sumOfOpenCalls } from '../observe/open-calls.ts';
import { PrimaryMetrics } from '../observe/primary-metrics.ts';
import { version } from '../observe/version.ts';
import type { DrainReport, RunningProxy } from '../proxy/proxy.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { type Random, systemRandom } from '../runtime/random.ts';
import { endpointsByWorker, groupedByWorker } from './by-worker.ts';
import { heartbeatLimits } from './heartbeat.ts';
import type { Collected } from './messages.ts';
import { responsesOf } from './responses.ts';
import { Slot } from './slot.ts';
import { WorkerActions } from './worker-actions.ts';
import { WorkerConfig } from './worker-config.ts';
import { WorkerProcess } from './worker-process.ts';
import { WorkerTenants } from './worker-tenants.ts';

/** Binding addresses and checking ten thousand tenants take less than a second. */
const prepareTimeoutMs = 10_000;
/** Shorter than the timeout of a scrape. */
const collectTimeoutMs = 1_000;
/** A worker asks the cluster and dials its members. */
const memberTimeoutMs = 5_000;
/** A worker that has not ended by itself this long after its last drain window is killed. */
const drainGraceMs = 2_000;

export interface SupervisorDependencies {
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Called when a client of the admin address asks the process to drain, if `admin-shutdown` permits it. */
  readonly onShutdownRequest?: (remote: string) => void;
}

/**
 * Resolves when every worker serves. Rejects with the system's error if an address cannot be bound. All workers end with
 * this process.
 */
export async function startWorkers(
  config: Config,
  dependencies: SupervisorDependencies,
): Promise<RunningProxy> {
  const supervisor = new Supervisor(config, dependencies);
  process.once('exit', () => supervisor.kill());
  try {
    await supervisor.start();
  } catch (error) {
    supervisor.kill();
    throw error;
  }
  return supervisor;
}

class Supervisor implements RunningProxy {
  adminAddress: string | null = null;
  readonly #clock: Clock;
  readonly #tokenKey = newTokenKey();
  readonly #lifecycle = new Lifecycle();
  readonly #metrics: PrimaryMetrics;
  readonly #config: WorkerConfig;
  readonly #configuration: ActiveConfiguration;
  readonly #slots: readonly Slot[];
  readonly #audit: AuditLog;
  readonly #onShutdownRequest: SupervisorDependencies['onShutdownRequest'];
  readonly #actions = new WorkerActions(collectTimeoutMs);
  readonly #tenants = new WorkerTenants();
  #admin: Admin | null = null;
  /** Processes are not started during a reload, so that none has a configuration that the others do not have. */
  #reload: Promise<unknown> = Promise.resolve();

  constructor(config: Config, dependencies: SupervisorDependencies) {
    const { logger, clock = systemClock, random = systemRandom } = dependencies;
    this.#onShutdownRequest = dependencies.onShutdownRequest;
    this.#clock = clock;
    const suppressed = new SuppressedLines();
    this.#audit = new AuditLog(config.auditLog ? logger : null, clock, () => {
      suppressed.audit += 1;
    });
    this.#config = new WorkerConfig(config);
    this.#metrics = new PrimaryMetrics(
      () => config.workers,
      () => this.#reports().filter(({ state }) => state === 'serving').length,
      () => ({ droppedLines: logger.droppedLines, suppressed }),
    );
    this.#configuration = new ActiveConfiguration(config, {
      clock,
      logger,
      configurationAudit: this.#audit,
      metrics: this.#metrics,
    });
    const slotDependencies = {
      ...{ clock, random, logger },
      fork: (worker: number) => this.#fork(worker),
      reloaded: () => this.#reload,
      onEnd: (worker: number) => this.#onEnd(worker),
      onRestart: (worker: number) => this.#metrics.restarted(worker),
      onServing: (addresses: ReadonlyMap<string, string>) => this.#config.bound(addresses),
    };
    this.#slots = Array.from(
      { length: config.workers },
      (_, index) => new Slot(index + 1, slotDependencies),
    );
  }

  get addresses(): readonly string[] {
    return this.#config.addresses;
  }

  async start(): Promise<void> {
    const { active } = this.#config;
    cluster.schedulingPolicy = cluster.SCHED_RR;
    cluster.setupPrimary({
      exec: fileURLToPath(
        // The same extension as this file: .ts in the source tree, .js in a build.
        new URL(`./proxy-worker${extname(import.meta.filename)}`, import.meta.url),
      ),
      args: [],
      serialization: 'advanced',
    });
    await removeAbandonedSockets(active);
    await Promise.all(this.#slots.map((slot) => slot.start()));
    if (active.adminAddress !== null) {
      this.#admin = await startAdmin({
        address: active.adminAddress,
        tls: active.adminTls,
        lifecycle: this.#lifecycle,
        clock: this.#clock,
        version,
        configuration: () => this.#configuration.report,
        upstream: () => this.#endpoints(),
        feeds: () => this.#feeds(),
        tenants: () => this.#tenantReports(),
        openCalls: () => this.#openCalls(),
        health: () => this.#health(),
        ...(active.advice && { advice: () => this.#advice() }),
        metrics: () => this.#exposition(),
        workers: () => this.#reports(),
        ...(active.adminShutdown &&
          this.#onShutdownRequest && { onShutdown: this.#onShutdownRequest }),
        ...(active.adminActions && {
          actions: {
            breakers: async () => {
              const collected = await this.#collect('breakers');
              return groupedByWorker(
                collected.map(({ worker, value }) => ({ worker, rows: value })),
              );
            },
            perform: (action) => this.#actions.perform(action, this.#processes()),
            ...auditedActions(this.#audit),
          },
        }),
      });
      this.adminAddress = this.#admin.address;
    }
    this.#lifecycle.move('serving');
    this.#tick();
  }

  reload(loaded: Pick<LoadResult, 'config' | 'problems'>): Promise<boolean> {
    const applied = this.#apply(loaded);
    this.#reload = applied;
    return applied;
  }

  replaceEndpoints(found: readonly string[] | null): void {
    this.#config.replaceEndpoints(found);
    for (const each of this.#processes()) each.replaceEndpoints(found);
  }

  async drain(): Promise<DrainReport> {
    this.#lifecycle.move('draining');
    for (const slot of this.#slots) slot.stop();
    await this.#reload;
    const timeoutMs = this.#config.active.drain.maxMs + drainGraceMs;
    const processes = this.#processes();
    await Promise.all(processes.map((each) => each.drain(timeoutMs)));
    this.#lifecycle.move('stopping');
    await this.#admin?.close();
    const drained = processes.flatMap((each) => each.drained ?? []);
    return {
      abortedCalls: drained.reduce((sum, { abortedCalls }) => sum + abortedCalls, 0),
      open: sumOfOpenCalls(drained.map(({ open }) => open)),
    };
  }

  /** Ends all workers at once. */
  kill(): void {
    for (const slot of this.#slots) {
      slot.stop();
      slot.process?.kill();
    }
  }

  /** All workers apply the configuration, or none does. Resolves with which of both. Never rejects. */
  async #apply({ config, problems }: Pick<LoadResult, 'config' | 'problems'>): Promise<boolean> {
    if (config === null) {
      this.#configuration.reject(problems.map(formatProblem));
      return false;
    }
    try {
      await removeAbandonedSockets(config);
    } catch (error) {
      this.#configuration.reject([(error as Error).message]);
      return false;
    }
    const processes = this.#processes();
    const prepared = await Promise.all(
      processes.map(async (each) => {
        const response = await each.prepare(config, prepareTimeoutMs);
        if (response !== null) return response;
        // A worker that has ended is replaced. Its replacement starts with the configuration that is active then.
        const problem = `worker with pid ${each.pid} does not respond`;
        return { problems: each.hasEnded ? [] : [problem], addresses: null };
      }),
    );
    const found = new Set(prepared.flatMap((each) => each.problems));
    if (found.size > 0) {
      for (const each of processes) each.discard();
      this.#configuration.reject([...found]);
      return false;
    }
    for (const each of processes) each.commit();
    const addresses = prepared.map((each) => each.addresses).find((each) => each !== null);
    if (addresses != null) this.#config.bound(addresses);
    this.#configuration.apply(config, this.#config.commit(config));
    this.#tenants.retain(new Set(config.tenants.map(({ name }) => name)));
    this.#admin?.replaceTls(config.adminTls);
    return true;
  }

  #fork(worker: number): WorkerProcess {
    const config = this.#config.forNewWorker;
    const tokenKey = this.#tokenKey;
    const forked = new WorkerProcess(cluster.fork(), this.#clock, {
      ...{ kind: 'start', worker, config, tokenKey },
    });
    this.#actions.applyTo(forked);
    return forked;
  }

  #onEnd(worker: number): void {
    this.#metrics.workers.ended(worker);
    this.#tenants.ended(worker);
    const processes = this.#processes();
    if (processes.some(({ isServing }) => isServing) || !this.#config.keepPorts()) return;
    // These would bind other ports. They are started again with the same ones.
    for (const each of processes) each.kill();
  }

  /** Checks that the workers respond. */
  #tick(): void {
    for (const each of this.#processes()) each.tick();
    this.#clock.after(heartbeatLimits.intervalMs, () => this.#tick());
  }

  #processes(): readonly WorkerProcess[] {
    return this.#slots.flatMap(({ process }) =>
      process === null || process.hasEnded ? [] : [process],
    );
  }

  #reports(): readonly WorkerReport[] {
    return this.#slots.map(({ report }) => report);
  }

  async #endpoints(): Promise<readonly ByWorker<EndpointReport>[]> {
    const collected = await this.#collect('endpoints');
    return endpointsByWorker(collected.map(({ worker, value }) => ({ worker, rows: value })));
  }

  /** Equal feeds of two workers are two feeds. */
  async #feeds(): Promise<readonly ByWorker<FeedReport>[]> {
    const collected = await this.#collect('feeds');
    return collected.flatMap(({ worker, value }) =>
      value.map((feed) => ({ ...feed, workers: [worker] })),
    );
  }

  async #tenantReports(): Promise<readonly TenantReport[]> {
    for (const { worker, value } of await this.#collect('tenants')) {
      this.#tenants.collected(worker, value);
    }
    return this.#tenants.merged();
  }

  async #advice(): Promise<readonly TenantAdvice[]> {
    const collected = await this.#collect('advice');
    return mergedAdvice(collected.map(({ value }) => value));
  }

  async #openCalls(): Promise<OpenCalls> {
    const collected = await this.#collect('openCalls');
    return sumOfOpenCalls(collected.map(({ value }) => value));
  }

  async hasEndpoint(): Promise<boolean> {
    return (await this.#endpoints()).some(({ state }) => state === 'ready');
  }

  /** Of the first worker that could ask the cluster. */
  async memberEndpoints(): Promise<readonly string[] | null> {
    const collected = await this.#collect('memberEndpoints', memberTimeoutMs);
    return collected.find(({ value }) => value !== null)?.value ?? null;
  }

  /** A worker that etcd serves is enough. */
  async #health(): Promise<HealthReport> {
    const reports = (await this.#collect('health')).map(({ value }) => value);
    const none = { isHealthy: false, reason: 'no worker responds' };
    return reports.find(({ isHealthy }) => isHealthy) ?? reports[0] ?? none;
  }

  async #exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    for (const { worker, value } of await this.#collect('metrics')) {
      this.#metrics.workers.collected(worker, value);
    }
    return this.#metrics.exposition();
  }

  /** Workers that do not respond in time are missing. */
  async #collect<K extends keyof Collected>(
    what: K,
    timeoutMs = collectTimeoutMs,
  ): Promise<readonly { readonly worker: number; readonly value: Collected[K] }[]> {
    return responsesOf(this.#slots, (process) => process.collect(what, timeoutMs));
  }
}

/**
 * Workers bind a path together, so one of them could remove the file that the others have just bound. Rejects with the
 * system's error if a path cannot be checked, for example because a part of it is not a directory.
 */
async function removeAbandonedSockets({ listeners }: Config): Promise<void> {
  for (const { address } of listeners) {
    if ('path' in address) await removeAbandonedSocket(address.path);
  }
}
