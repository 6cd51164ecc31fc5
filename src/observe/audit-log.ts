/**
 * The audit log: administrative calls, and refusals of identities and methods, with the identity, the client's address and the
 * outcome. Its lines have the field `log: "audit"` and do not depend on the log level. Their number per second is limited by
 * event, so that a flood of one does not hide another. Of the refusals, one tenant has a share only. Suppressed lines are counted.
 */
import { type Call, isOwned } from '../call/call.ts';
import type { Clock } from '../runtime/clock.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';
import { StatePart } from '../tenant/state.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { codeName } from './call-counters.ts';
import { type CallEvents, type CallRecord, noCallEvents } from './events.ts';
import { LineRate } from './line-rate.ts';
import type { Fields, Logger } from './logger.ts';

export type AuditEvent =
  | 'admin action'
  | 'owner call'
  | 'identity refused'
  | 'login failed'
  | 'method refused'
  | 'foreign lease'
  | 'configuration applied'
  | 'configuration rejected';

export type AuditOutcome = 'done' | 'refused' | 'failed';

const linesPerSecondMax = 10;
const burstLines = 50;

/** For the refusals of a tenant, by event. */
const refusalTokens = new StatePart(() => new Map<AuditEvent, TokenBucket>());

export class AuditLog {
  readonly #logger: Logger | null;
  readonly #clock: Clock;
  readonly #onSuppressed: () => void;
  readonly #rates = new Map<AuditEvent, LineRate>();

  /** `logger` is that of the process; null if the log is off. `onSuppressed` is called for each line that is not written, because there are too many. */
  constructor(logger: Logger | null, clock: Clock, onSuppressed: () => void) {
    this.#logger = logger?.named('audit') ?? null;
    this.#clock = clock;
    this.#onSuppressed = onSuppressed;
  }

  /** `fields` is called only for a line that is written. */
  write(event: AuditEvent, outcome: AuditOutcome, fields: () => Fields): void {
    this.#write(event, outcome, fields, null);
  }

  /** As `write`, about a call of a tenant that is refused. Only a share of the lines of this event may be about one tenant. */
  refused(event: AuditEvent, { tenant }: Call, fields: () => Fields): void {
    this.#write(event, 'refused', fields, tenant);
  }

  #write(
    event: AuditEvent,
    outcome: AuditOutcome,
    fields: () => Fields,
    tenant: Tenant | null,
  ): void {
    if (this.#logger === null) return;
    const suppressed = this.#rateOf(event).pass(tenant && tokensOf(tenant, event));
    if (suppressed < 0) return;
    this.#logger.info(event, { outcome, ...fields(), ...(suppressed > 0 && { suppressed }) });
  }

  #rateOf(event: AuditEvent): LineRate {
    let rate = this.#rates.get(event);
    if (rate === undefined) {
      rate = new LineRate(this.#clock, linesPerSecondMax, this.#onSuppressed, burstLines);
      this.#rates.set(event, rate);
    }
    return rate;
  }
}

function tokensOf(tenant: Tenant, event: AuditEvent): TokenBucket {
  const byEvent = tenant.state.get(refusalTokens);
  let tokens = byEvent.get(event);
  if (tokens === undefined) {
    tokens = new TokenBucket();
    byEvent.set(event, tokens);
  }
  return tokens;
}

/** What a call presented, for example `user:ops`. */
export type IdentityOf = (call: Call) => string;

/** The fields of a call and its identity. A call without a tenant has none of these two. */
export function auditedCall(call: Call, identityOf: IdentityOf): Fields {
  const { method, tenant, peer } = call;
  return {
    method: method.name,
    ...(tenant !== null && { tenant: tenant.name }),
    listener: peer.listener,
    ...(peer.remote !== '' && { remote: peer.remote }),
    identity: identityOf(call),
  };
}

/** Refusals that concern what a tenant may call. Others concern load and the content of requests. */
const auditedReasons: ReadonlySet<string> = new Set(['method-denied', 'read-only']);

/** Audits the calls of tenants: those of the owner on the whole cluster, and methods that are refused. */
export function auditedCalls(audit: AuditLog, identityOf: IdentityOf): CallEvents {
  return {
    ...noCallEvents,
    ended: (record) => {
      if (record.call.method.owner) ownerCall(audit, record, identityOf);
    },
    rejected: ({ call }, reason) => {
      if (!auditedReasons.has(reason)) return;
      audit.refused('method refused', call, () => ({
        ...auditedCall(call, identityOf),
        reason,
      }));
    },
  };
}

/** Reads of what every tenant may read, such as the status of a member, are not administrative. */
function ownerCall(audit: AuditLog, record: CallRecord, identityOf: IdentityOf): void {
  const { call, code, text, durationMs } = record;
  const { decision, effect } = call.method;
  if (!isOwned(call) || (decision === 'local' && effect === 'reads')) return;
  audit.write('owner call', code === 0 ? 'done' : 'failed', () => ({
    ...auditedCall(call, identityOf),
    code: codeName(code),
    ms: Math.round(durationMs * 1000) / 1000,
    ...(text !== '' && { text }),
  }));
}
