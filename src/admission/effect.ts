/**
 * Whether a request writes, for the methods where that stands in the request. Byte for byte as strict as the rewriters
 * (rewrite/scan.ts), since a byte string that etcd reads differently would be a way around: what is no message is a fault,
 * and whatever writes in any reading writes, also where a later field would replace it. Recursion is bounded.
 */
import type { MethodName } from '../etcd/methods.ts';
import { Reader } from '../protobuf/reader.ts';
import type { RewriteFault } from '../rewrite/fault.ts';
import { nestingMax } from '../rewrite/field-table.ts';

export type RequestEffect = 'reads' | 'writes' | RewriteFault;

/** Every method whose effect is `either` in the table of methods. */
const effects: { readonly [name in MethodName]?: (request: Uint8Array) => RequestEffect } = {
  'etcdserverpb.KV/Txn': (request) => txnEffect(new Reader(request), 0),
  'etcdserverpb.Maintenance/Alarm': alarmEffect,
};

/** A method that nobody has told apart here writes. */
export function effectOf(name: MethodName, request: Uint8Array): RequestEffect {
  return effects[name]?.(request) ?? 'writes';
}

/** Compares do not write; both branches count, whichever will be taken. */
function txnEffect(txn: Reader, depth: number): RequestEffect {
  if (depth > nestingMax) return 'operations-nested';
  let effect: RequestEffect = 'reads';
  while (txn.next()) {
    if (txn.field !== 2 && txn.field !== 3) continue;
    effect = stronger(effect, operationEffect(txn.message(), depth));
  }
  return txn.malformed ? 'malformed' : effect;
}

/** A RequestOp: 1 is a range, 2 a put, 3 a delete, 4 a transaction. */
function operationEffect(operation: Reader, depth: number): RequestEffect {
  let effect: RequestEffect = 'reads';
  while (operation.next()) {
    if (operation.field === 2 || operation.field === 3) effect = stronger(effect, 'writes');
    if (operation.field === 4) effect = stronger(effect, txnEffect(operation.message(), depth + 1));
  }
  return operation.malformed ? 'malformed' : effect;
}

/** `malformed` before all else, as etcd parses before it looks; any write before what is merely too deep. */
function stronger(a: RequestEffect, b: RequestEffect): RequestEffect {
  return rank(b) > rank(a) ? b : a;
}

function rank(effect: RequestEffect): number {
  if (effect === 'malformed') return 3;
  if (effect === 'writes') return 2;
  return effect === 'reads' ? 0 : 1;
}

/** AlarmRequest: 1 is the action, of which 0 is GET. */
function alarmEffect(request: Uint8Array): RequestEffect {
  const reader = new Reader(request);
  let effect: RequestEffect = 'reads';
  while (reader.next()) if (reader.field === 1 && reader.int64() !== 0n) effect = 'writes';
  return reader.malformed ? 'malformed' : effect;
}
