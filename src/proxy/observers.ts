/** What observes the calls of tenants: the audit log, and the other logs of calls as far as they are configured. */
import type { Config } from '../config/config.ts';
import type { Advice } from '../observe/advice/advice.ts';
import { AuditLog, auditedCalls, type IdentityOf } from '../observe/audit-log.ts';
import { allOf, type CallEvents } from '../observe/events.ts';
import { keyText } from '../observe/key-text.ts';
import { SuppressedLines } from '../observe/log-metrics.ts';
import type { Logger } from '../observe/logger.ts';
import { rejectionLog } from '../observe/rejection-log.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Random } from '../runtime/random.ts';
import type { CurrentDirectory } from '../tenant/directory.ts';
import type { TenantState } from '../tenant/state.ts';

/** The modules of what is configured; null for the others. */
export interface ObserverModules {
  readonly operations: typeof import('../observe/operation-log.ts') | null;
  readonly access: typeof import('../observe/access-log.ts') | null;
  readonly advice: typeof import('../observe/advice/advice.ts') | null;
}

export const noObserverModules: ObserverModules = { operations: null, access: null, advice: null };

export async function loadObservers(config: Config, logger: Logger): Promise<ObserverModules> {
  return {
    operations: logger.writes('debug') ? await import('../observe/operation-log.ts') : null,
    access: config.accessLog.mode === 'off' ? null : await import('../observe/access-log.ts'),
    advice: config.advice ? await import('../observe/advice/advice.ts') : null,
  };
}

export interface ObserverDependencies {
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  readonly directory: CurrentDirectory;
}

export class Observers {
  readonly suppressed = new SuppressedLines();
  readonly audit: AuditLog;
  /** Null if it is switched off. */
  readonly advice: Advice | null;
  readonly #config: Config;
  readonly #modules: ObserverModules;
  readonly #dependencies: ObserverDependencies;

  constructor(config: Config, modules: ObserverModules, dependencies: ObserverDependencies) {
    this.#config = config;
    this.#modules = modules;
    this.#dependencies = dependencies;
    const { logger, clock, random } = dependencies;
    this.audit = new AuditLog(config.auditLog ? logger : null, clock, () => {
      this.suppressed.audit += 1;
    });
    const isCurrent = (state: TenantState) =>
      dependencies.directory.current.byName(state.tenantName)?.state === state;
    this.advice =
      modules.advice === null
        ? null
        : new modules.advice.Advice({
            logger,
            clock,
            random,
            keys: keyText(config.logKeys),
            isCurrent,
          });
  }

  /** The hooks of the observe layer. `identityOf` is for the audit log. */
  events(identityOf: IdentityOf): CallEvents {
    const { logger, clock, random } = this.#dependencies;
    const { operations, access } = this.#modules;
    const keys = keyText(this.#config.logKeys);
    const events = [rejectionLog(logger, clock), auditedCalls(this.audit, identityOf)];
    if (operations !== null) events.push(operations.operationLog(logger, keys));
    if (access !== null) {
      const { accessLog: config } = this.#config;
      const onSuppressed = () => {
        this.suppressed.access += 1;
      };
      events.push(access.accessLog({ logger, clock, random, keys, config, onSuppressed }));
    }
    if (this.advice !== null) events.push(this.advice.events);
    return allOf(events);
  }
}
