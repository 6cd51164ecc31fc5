/**
 * The report of /configz: the active configuration, when it was applied, and the problems of a later one that was rejected.
 * Every outcome of a reload is also in the metrics and in the log. It only records; proxy/ and workers/ apply configurations.
 */
import { createHash } from 'node:crypto';
import { type CertificateExpiry, certificateExpiries } from '../config/certificate-expiry.ts';
import type { Config } from '../config/config.ts';
import { needRestart } from '../config/need-restart.ts';
import type { AuditLog } from '../observe/audit-log.ts';
import type { Logger } from '../observe/logger.ts';
import type { ReloadMetrics } from '../observe/reload-metrics.ts';
import type { Clock } from '../runtime/clock.ts';
import type { ConfigurationReport } from './reports.ts';

export interface ActiveConfigurationParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Null in a worker: its primary process applies configurations. */
  readonly configurationAudit: AuditLog | null;
  readonly metrics: { readonly reloads: ReloadMetrics };
}

export class ActiveConfiguration {
  /** Settings that need a restart still have the values of this configuration. */
  readonly #started: Config;
  readonly #parts: ActiveConfigurationParts;
  #report: ConfigurationReport;

  /** The first configuration is not logged, because it is not the outcome of a reload. */
  constructor(config: Config, parts: ActiveConfigurationParts) {
    this.#started = config;
    this.#parts = parts;
    this.#report = this.#record(config, []);
    this.#auditApplied();
  }

  get report(): ConfigurationReport {
    return this.#report;
  }

  /** Records that `config` was applied, except the `unchangedListeners`, which must be bound again by a restart. */
  apply(config: Config, unchangedListeners: readonly string[]): void {
    const all = [...needRestart(this.#started, config), ...unchangedListeners];
    this.#report = this.#record(config, all);
    this.#auditApplied();
    this.#parts.logger.info('reloaded', { needRestart: all });
  }

  /** Records that a configuration with these problems was rejected. */
  reject(problems: readonly string[]): void {
    const { metrics, logger, configurationAudit } = this.#parts;
    this.#report = { ...this.#report, problems };
    metrics.reloads.failed();
    logger.error('reload failed; the previous configuration stays active', { problems });
    configurationAudit?.write('configuration rejected', 'refused', () => ({ problems }));
  }

  #auditApplied(): void {
    const { hash, needRestart: waiting } = this.#report;
    this.#parts.configurationAudit?.write('configuration applied', 'done', () => ({
      hash,
      ...(waiting.length > 0 && { needRestart: waiting }),
    }));
  }

  #record(config: Config, needingRestart: readonly string[]): ConfigurationReport {
    const epochMs = this.#parts.clock.epochMs();
    const expiries = certificateExpiries(config);
    this.#parts.metrics.reloads.succeeded(epochMs / 1_000, expiries);
    return reportOf(config, epochMs, needingRestart, expiries);
  }
}

function reportOf(
  { effective }: Config,
  epochMs: number,
  needRestart: readonly string[],
  expiries: readonly CertificateExpiry[],
): ConfigurationReport {
  return {
    hash: createHash('sha256').update(JSON.stringify(effective)).digest('hex').slice(0, 16),
    since: new Date(epochMs).toISOString(),
    problems: [],
    needRestart,
    certificates: expiries.map(({ use, listener, epochSeconds }) => ({
      ...{ use, listener },
      expires: new Date(epochSeconds * 1_000).toISOString(),
    })),
    settings: effective,
  };
}
