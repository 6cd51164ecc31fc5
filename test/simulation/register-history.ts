/**
 * The linearizable lists and the transactions of a scenario, without their revisions, for a checker that knows nothing of etcd.
 * Times are turns.
 */
import { Reader } from '../../src/protobuf/reader.ts';
import type { Calls } from './calls.ts';
import type { ObservedRead } from './observed-call.ts';
import type { Plan } from './plan.ts';
import { plainRead } from './read-spec.ts';
import type { Outcome } from './scenario.ts';
import type { Store } from './store.ts';

type Values = Record<string, string>;

export interface WriteOperation {
  readonly call: number;
  readonly return: number;
  /** Its position among all transactions, from 1, as the store has committed them. Without it the check takes too long. */
  readonly order: number;
  /** Null deletes the key. */
  readonly writes: Readonly<Record<string, string | null>>;
}

export interface ListOperation {
  readonly call: number;
  readonly return: number;
  readonly key: string;
  /** As in etcd's API. */
  readonly end: string;
  readonly result: Readonly<Values>;
}

export type RegisterOperation = WriteOperation | ListOperation;
export type RegisterHistory = readonly RegisterOperation[];

/** The plan with linearizable lists in place of all reads, and without restores: what was lost is not linearizable. */
export function withLists(plan: Plan): Plan {
  const actions = plan.actions
    .filter(({ action }) => action.kind !== 'restore')
    .map(({ atMs, action }) => {
      if (action.kind !== 'read') return { atMs, action };
      const { key, end } = action.read;
      return { atMs, action: { ...action, read: { ...plainRead, key, end } } };
    });
  return { ...plan, actions };
}

/** A history for each tenant, of a scenario with lists only. */
export function historiesOf({ store, calls, plan }: Outcome): readonly RegisterHistory[] {
  return Array.from({ length: plan.tenants }, (_, i) => [
    ...writesOf(store, calls, `t${i}`),
    ...calls.reads.flatMap((observed) => listOf(observed, `t${i}`)),
  ]);
}

function listOf({ read, call }: ObservedRead, tenant: string): readonly ListOperation[] {
  const { facts, response } = call;
  if (facts.tenant !== tenant || response === null) return [];
  const times = { call: facts.arrived.turn, return: response.moment.turn };
  return [{ ...times, key: read.key, end: read.end, result: valuesIn(response.fields) }];
}

/** Transactions that have changed something. Without a response that may have happened at any time since. */
function writesOf(store: Store, calls: Calls, tenant: string): readonly WriteOperation[] {
  const times = new Map<number, Pick<WriteOperation, 'call' | 'return'>>();
  for (const { turn, revision } of calls.direct) times.set(revision, { call: turn, return: turn });
  for (const { revision, call } of calls.writes) {
    const end = call.response?.moment.turn ?? Number.MAX_SAFE_INTEGER;
    times.set(revision, { call: call.facts.arrived.turn, return: end });
  }
  const committed = Map.groupBy(store.eventsOf(tenant), ({ revision }) => revision);
  return Array.from(committed, ([revision, events], i) => {
    const time = times.get(revision);
    if (time === undefined) throw new Error(`no transaction has revision ${revision}`);
    const values = events.map(({ key, isDelete, value }) => [key, isDelete ? null : name(value)]);
    return { ...time, order: i + 1, writes: Object.fromEntries(values) };
  });
}

function valuesIn(fields: Uint8Array): Values {
  const values: Values = {};
  const reader = new Reader(fields);
  while (reader.next()) {
    if (reader.field !== 2) continue;
    const keyValue = reader.message();
    let key = '';
    let value = '';
    while (keyValue.next()) {
      if (keyValue.field === 1) key = text(keyValue.bytes());
      else if (keyValue.field === 5) value = text(keyValue.bytes());
    }
    values[key] = name(value);
  }
  return values;
}

/** A value without its padding, which may be long. */
function name(value: string): string {
  return value.replace(/\.+$/, '');
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** The transactions, and a list with a value that was written only after it. Null if no list allows that. */
export function withEarlyValue(history: RegisterHistory): RegisterHistory | null {
  const writes = history.filter(isWrite);
  return withWrongValue(history, (list, key) =>
    writes.find((write) => write.call > list.return && setsKey(write, key)),
  );
}

/** The transactions, and a list with a value that was replaced before it. Null if no list allows that. */
export function withStaleValue(history: RegisterHistory): RegisterHistory | null {
  const writes = history.filter(isWrite);
  return withWrongValue(history, (list, key) => {
    const replacing = writes.filter((write) => write.return < list.call && key in write.writes);
    return writes.find(
      (write) => setsKey(write, key) && replacing.some(({ call }) => call > write.return),
    );
  });
}

function withWrongValue(
  history: RegisterHistory,
  wrong: (list: ListOperation, key: string) => WriteOperation | undefined,
): RegisterHistory | null {
  for (const list of history) {
    if (isWrite(list)) continue;
    for (const key of Object.keys(list.result)) {
      const value = wrong(list, key)?.writes[key];
      if (typeof value !== 'string') continue;
      return [...history.filter(isWrite), { ...list, result: { ...list.result, [key]: value } }];
    }
  }
  return null;
}

function isWrite(operation: RegisterOperation): operation is WriteOperation {
  return 'writes' in operation;
}

function setsKey({ writes }: WriteOperation, key: string): boolean {
  return typeof writes[key] === 'string';
}
