/**
 * Determines whether a request writes, for the methods where that depends on the request. It is exactly as strict as the
 * rewriters (rewrite/scan.ts), because bytes that etcd parses differently would bypass the check. Bytes that are not a valid
 * message are a fault. A write counts even if a later field would replace it. Recursion is bounded.
 */
import type { MethodName } from '../etcd/methods.ts';
import { Reader } from '../protobuf/reader.ts';
import type { RewriteFault } from '../rewrite/fault.ts';
import { nestingMax } from '../rewrite/field-table.ts';

export type RequestEffect = 'reads' | 'writes' | RewriteFault;

/** The methods whose effect is `either` in the methods table. */
const effects: { readonly [name in MethodName]?: (request: Uint8Array) => RequestEffect } = {
  'etcdserverpb.KV/Txn': (request) => txnEffect(new Reader(request), 0),
  'etcdserverpb.Maintenance/Alarm': alarmEffect,
};

/** A method without an entry counts as a write. */
export function effectOf(name: MethodName, request: Uint8Array): RequestEffect {
  return effects[name]?.(request) ?? 'writes';
}

/** Compares do not write. Both branches count, because either may run. */
function txnEffect(txn: Reader, depth: number): RequestEffect {
  if (depth > nestingMax) return 'operations-nested';
  let effect: RequestEffect = 'reads';
  while (txn.next()) {
    if (txn.field !== 2 && txn.field !== 3) continue;
    effect = stronger(effect, operationEffect(txn.message(), depth));
  }
  return txn.malformed ? 'malformed' : effect;
}

/** Fields of RequestOp: 1 is a range, 2 a put, 3 a delete, 4 a transaction. */
function operationEffect(operation: Reader, depth: number): RequestEffect {
  let effect: RequestEffect = 'reads';
  while (operation.next()) {
    if (operation.field === 2 || operation.field === 3) effect = stronger(effect, 'writes');
    if (operation.field === 4) effect = stronger(effect, txnEffect(operation.message(), depth + 1));
  }
  return operation.malformed ? 'malformed' : effect;
}

/** `malformed` has precedence, because etcd parses first. A write has precedence over `operations-nested`. */
function stronger(a: RequestEffect, b: RequestEffect): RequestEffect {
  return rank(b) > rank(a) ? b : a;
}

function rank(effect: RequestEffect): number {
  if (effect === 'malformed') return 3;
  if (effect === 'writes') return 2;
  return effect === 'reads' ? 0 : 1;
}

/** Field 1 of AlarmRequest is the action. 0 is GET. */
function alarmEffect(request: Uint8Array): RequestEffect {
  const reader = new Reader(request);
  let effect: RequestEffect = 'reads';
  while (reader.next()) if (reader.field === 1 && reader.int64() !== 0n) effect = 'writes';
  return reader.malformed ? 'malformed' : effect;
}
