/**
 * The report of /configz: the active configuration, when it was applied, and the problems of a later one that was rejected.
 * It only records; proxy/ applies configurations.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { needRestart } from '../config/need-restart.ts';
import type { ConfigurationReport } from './reports.ts';

export class ActiveConfiguration {
  /** Settings that need a restart still have the values of this configuration. */
  readonly #started: Config;
  #report: ConfigurationReport;

  constructor(config: Config, epochMs: number) {
    this.#started = config;
    this.#report = reportOf(config, epochMs, []);
  }

  get report(): ConfigurationReport {
    return this.#report;
  }

  /** Records that `config` was applied, except the `unchangedListeners`, which must be bound again by a restart. */
  apply(config: Config, epochMs: number, unchangedListeners: readonly string[]): void {
    const all = [...needRestart(this.#started, config), ...unchangedListeners];
    this.#report = reportOf(config, epochMs, all);
  }

  /** Records that a configuration with these problems was rejected. */
  reject(problems: readonly string[]): void {
    this.#report = { ...this.#report, problems };
  }
}

function reportOf(
  { effective }: Config,
  epochMs: number,
  needRestart: readonly string[],
): ConfigurationReport {
  return {
    hash: createHash('sha256').update(JSON.stringify(effective)).digest('hex').slice(0, 16),
    since: new Date(epochMs).toISOString(),
    problems: [],
    needRestart,
    settings: effective,
  };
}
