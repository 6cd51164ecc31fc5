/**
 * Which configuration is in force, since when, and what became of the attempts to replace it. For /configz: it decides
 * nothing.
 */
import { createHash } from 'node:crypto';
import type { Config } from '../config/config.ts';
import { needRestart } from '../config/need-restart.ts';
import type { ConfigurationReport } from './server.ts';

export class InForce {
  /** What the process was started with, and still has of it what only a start puts in force. */
  readonly #started: Config;
  #report: ConfigurationReport;

  constructor(config: Config, epochMs: number) {
    this.#started = config;
    this.#report = reportOf(config, epochMs, []);
  }

  get report(): ConfigurationReport {
    return this.#report;
  }

  /** Another one is, but for those `listeners` that would have to be bound anew. */
  replace(config: Config, epochMs: number, listeners: readonly string[]): void {
    const all = [...needRestart(this.#started, config), ...listeners];
    this.#report = reportOf(config, epochMs, all);
  }

  /** Another one was wrong. */
  refuse(problems: readonly string[]): void {
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
