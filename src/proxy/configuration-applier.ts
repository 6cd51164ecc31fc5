/**
 * Replaces the active configuration of a running proxy: either all of it, except settings that need a restart, or nothing.
 * Every outcome is logged, counted and reported in /configz.
 */
import { ActiveConfiguration } from '../admin/active-configuration.ts';
import type { ConfigurationReport } from '../admin/reports.ts';
import type { Config } from '../config/config.ts';
import type { LoadResult } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { withEndpoints } from '../config/with-endpoints.ts';
import type { Breakers } from '../guard/breaker/breakers.ts';
import type { OpenStreams } from '../lifecycle/drain.ts';
import { streamsToEnd } from '../lifecycle/streams-to-end.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Logger } from '../observe/logger.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Clock } from '../runtime/clock.ts';
import { buildDirectory, Directory } from '../tenant/directory.ts';
import type { Usage } from '../tenant/usage.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Listeners } from './listeners.ts';

/** The parts that a configuration changes. */
export interface ConfigurableParts {
  readonly directory: { current: Directory };
  readonly total: Usage;
  readonly listeners: Listeners;
  readonly upstream: Upstream;
  readonly streams: OpenStreams;
  readonly breakers: Breakers;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly configurationAudit: AuditLog | null;
  readonly clock: Clock;
}

/** A configuration whose new listeners are bound. It is not active yet. */
export interface PreparedConfiguration {
  /** Makes it the active configuration. Cannot fail. */
  commit(): void;
  discard(): Promise<void>;
}

export class ConfigurationApplier {
  #config: Config;
  readonly #parts: ConfigurableParts;
  readonly #active: ActiveConfiguration;

  /** `config` is the configuration that `parts` were built from. */
  constructor(config: Config, parts: ConfigurableParts) {
    this.#config = config;
    this.#parts = parts;
    this.#active = new ActiveConfiguration(config, parts);
  }

  get config(): Config {
    return this.#config;
  }

  get report(): ConfigurationReport {
    return this.#active.report;
  }

  /** Resolves with whether the configuration is active now. Never rejects. Must not be called again before it has resolved. */
  async apply({ config, problems }: Pick<LoadResult, 'config' | 'problems'>): Promise<boolean> {
    const prepared = config === null ? problems.map(formatProblem) : await this.prepare(config);
    if ('commit' in prepared) prepared.commit();
    else this.#active.reject(prepared);
    return 'commit' in prepared;
  }

  /** Not logged as a reload: every setting stays. `found` is as in --endpoints; null for the configured ones. */
  replaceEndpoints(found: readonly string[] | null): void {
    this.#config = withEndpoints(this.#config, found);
    this.#parts.upstream.update(this.#config, this.#config.requestTimeoutMs);
  }

  /** Does everything that can fail. Returns the problems, or the configuration to commit or to discard. Never rejects. */
  async prepare(config: Config): Promise<PreparedConfiguration | readonly string[]> {
    const { directory: current, listeners } = this.#parts;
    const directory = buildDirectory(config, current.current);
    if (!(directory instanceof Directory)) return directory.map(formatProblem);
    try {
      const added = await listeners.prepare(config);
      return {
        commit: () => this.#commit(config, directory),
        discard: () => listeners.discard(added),
      };
    } catch (error) {
      return [(error as Error).message];
    }
  }

  /** etcd is another cluster than before: every tenant begins with empty state, and its streams end. */
  forgetCluster(): void {
    const config = this.#config;
    const directory = buildDirectory(config);
    if (directory instanceof Directory) this.#replaceDirectory(directory, 0);
  }

  /** Synchronous and cannot fail, so calls never see a part of the new configuration. */
  #commit(config: Config, directory: Directory): void {
    const { listeners, upstream, total } = this.#parts;
    const { windowMs, maxMs } = config.drain;
    this.#config = config;
    total.limits = config.totals;
    upstream.update(config, config.requestTimeoutMs);
    const needRebind = listeners.commit(config, maxMs);
    this.#replaceDirectory(directory, windowMs);
    this.#active.apply(config, needRebind);
  }

  /** Ends the streams of tenants that are different in `directory`, spread over `windowMs`, and what belongs to their state. */
  #replaceDirectory(directory: Directory, windowMs: number): void {
    const { directory: current, streams, breakers, metrics } = this.#parts;
    const before = current.current;
    current.current = directory;
    directory.applyLimits();
    void streams.endWhere(streamsToEnd(before, directory), windowMs);
    for (const state of before.statesMissingIn(directory)) {
      breakers.retire(state);
      metrics.breakersRetired(state.tenantName);
      if (state.isUsed) metrics.limits.retired(state);
    }
  }
}
