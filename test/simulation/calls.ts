/** The unary calls of all simulated clients in a scenario. */
import { Call, type Etcd } from '../../src/call/call.ts';
import { method } from '../../src/etcd/methods.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import type { ReadAction, TxnAction } from './call-action.ts';
import { Caller } from './caller.ts';
import type { Connection } from './connection.ts';
import type { Moment } from './observation.ts';
import { ObservedCall, type ObservedRead, type ObservedWrite } from './observed-call.ts';
import { resolved } from './read-plan.ts';
import { encodeRead } from './read-spec.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { Store } from './store.ts';
import { encodeWrite } from './write-spec.ts';

const range = method('etcdserverpb.KV/Range');
const txn = method('etcdserverpb.KV/Txn');

export interface CallsOptions {
  readonly etcd: Etcd<'tenant'>;
  readonly store: Store;
  readonly time: SimulatedTime;
  readonly connections: readonly Connection[];
  readonly moment: (tenant: Tenant) => Moment;
  readonly onViolation: (what: string) => void;
}

/** It begins and ends within one turn. */
export interface DirectWrite {
  readonly turn: number;
  readonly revision: number;
}

export class Calls {
  readonly reads: ObservedRead[] = [];
  readonly writes: ObservedWrite[] = [];
  /** Transactions of clients around the proxy. */
  readonly direct: DirectWrite[] = [];
  readonly #options: CallsOptions;
  readonly #byCall = new Map<Call, ObservedRead | ObservedWrite>();
  readonly #callers: Caller[] = [];

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  read(tenant: Tenant, action: ReadAction): void {
    const { time, store } = this.#options;
    const { connection, requiresLeader, pauseMs, leaveMs, timeoutMs } = action;
    const read = resolved(action.read, store.revision);
    const observed = this.#observed(tenant, connection, timeoutMs > 0);
    const record: ObservedRead = { kind: 'read', read, call: observed };
    this.reads.push(record);
    const deadlineMs = timeoutMs > 0 ? time.nowMs + timeoutMs : Infinity;
    const metadata = requiresLeader ? ['hasleader', 'true'] : [];
    const call = this.#call(range, tenant, connection, metadata, deadlineMs);
    const caller = this.#start(call, record, connection, tenant, encodeRead(read));
    if (pauseMs > 0) {
      caller.pause();
      time.after(pauseMs, () => caller.resume());
    }
    if (leaveMs > 0) time.after(leaveMs, () => caller.cancel());
  }

  write(tenant: Tenant, { connection, operations }: TxnAction): void {
    const observed = this.#observed(tenant, connection, false);
    const record: ObservedWrite = { kind: 'write', operations, call: observed, revision: 0 };
    this.writes.push(record);
    const call = this.#call(txn, tenant, connection, [], Infinity);
    this.#start(call, record, connection, tenant, encodeWrite(operations));
  }

  /** A call has passed all layers. Those of the hub and the cache are not of clients. */
  onPassed(call: Call): void {
    const record = this.#byCall.get(call);
    if (record === undefined || call.tenant === null) return;
    const { onViolation, moment } = this.#options;
    if (record.call.passed !== null) onViolation('a call was made twice');
    record.call.passed = moment(call.tenant);
  }

  onCommitted(call: Call): void {
    const record = this.#byCall.get(call);
    if (record?.kind === 'write') record.revision = this.#options.store.revision;
  }

  /** A client around the proxy has committed a transaction. */
  onDirectWrite(): void {
    const { time, store } = this.#options;
    this.direct.push({ turn: time.turn, revision: store.revision });
  }

  /** From here on the clients take everything at once. */
  calm(): void {
    for (const caller of this.#callers) this.#options.time.runNow(() => caller.resume());
  }

  #observed(tenant: Tenant, connection: number, hasDeadline: boolean): ObservedCall {
    const { seen, hasCredentials } = this.#connection(connection);
    const arrived = this.#options.moment(tenant);
    const { name } = tenant;
    return new ObservedCall({
      tenant: name,
      connection,
      hasCredentials,
      hasDeadline,
      arrived,
      seen,
    });
  }

  #connection(index: number): Connection {
    return this.#options.connections[index] as Connection;
  }

  #call(
    ofMethod: Call['method'],
    tenant: Tenant,
    connection: number,
    metadata: readonly string[],
    deadlineMs: number,
  ): Call {
    const { peer } = this.#connection(connection);
    const call = new Call({ method: ofMethod, metadata, deadlineMs, peer });
    call.tenant = tenant;
    return call;
  }

  #start(
    call: Call,
    record: ObservedRead | ObservedWrite,
    connection: number,
    tenant: Tenant,
    request: Uint8Array,
  ): Caller {
    const { etcd, moment, onViolation } = this.#options;
    this.#byCall.set(call, record);
    const caller = new Caller({
      observed: record.call,
      connection: this.#connection(connection),
      moment: () => moment(tenant),
      onViolation,
    });
    this.#callers.push(caller);
    caller.open((responses) => etcd.unary(call, request as never, responses));
    return caller;
  }
}
