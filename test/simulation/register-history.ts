/**
 * The linearizable lists and the transactions of a scenario, without their revisions, for a checker that knows nothing of etcd.
 * Times are turns.
 */
import { isDeepStrictEqual } from 'node:util';
import { Reader } from '../../src/protobuf/reader.ts';
import type { Calls } from './calls.ts';
import type { ObservedRead } from './observed-call.ts';
import { plainRead, type ReadSpec } from './read-spec.ts';
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

/** A history for each tenant. None for a store that was restored: what was lost is not linearizable. */
export function historiesOf(outcome: Outcome): readonly RegisterHistory[] {
  const { store, calls, plan } = outcome;
  if (store.epoch > 0) return [];
  return Array.from({ length: plan.tenants }, (_, i) => [
    ...writesOf(store, calls, `t${i}`),
    ...calls.reads.flatMap((observed) => listOf(observed, `t${i}`)),
  ]);
}

function listOf({ read, call }: ObservedRead, tenant: string): readonly ListOperation[] {
  const { facts, response } = call;
  if (facts.tenant !== tenant || response === null || !isList(read)) return [];
  const times = { call: facts.arrived.turn, return: response.moment.turn };
  return [{ ...times, key: read.key, end: read.end, result: valuesIn(response.fields) }];
}

/** A linearizable read of all keys in its range, with their values. */
function isList(read: ReadSpec): boolean {
  const { key, end, sortOrder, sortTarget, hasUnknownField } = read;
  const list = { ...plainRead, key, end, sortOrder, sortTarget, hasUnknownField };
  return isDeepStrictEqual(read, list);
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
    while (keyValue.next()) {
      const { field } = keyValue;
      if (field === 1) key = text(keyValue.bytes());
      else if (field === 5) values[key] = name(text(keyValue.bytes()));
    }
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
