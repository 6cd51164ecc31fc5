/**
 * A range end that is present and empty, which no client library sends. etcd distinguishes it from an absent one in
 * requests that are not proposed, and reads to the end of all keys. Behind the proxy it must mean what the API says,
 * a single key. Otherwise tenants could read, count and compare keys of others.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Reader } from '../../src/protobuf/reader.ts';
import type { GrpcClient } from '../support/client.ts';
import { type SharedEtcd, startSharedEtcd } from '../support/shared-etcd.ts';
import { slowMessage as message } from '../support/slow-rewriter.ts';

let shared: SharedEtcd;
let direct: GrpcClient;
let red: GrpcClient;

beforeAll(async () => {
  shared = await startSharedEtcd({
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'zed', namespace: 'zed/' },
    ],
  });
  direct = shared.directClient();
  red = shared.client('red');
  for (const key of ['red/b', 'red/c', 'zed/secret', 'zzz']) {
    await direct.call('etcdserverpb.KV/Put', { key: Buffer.from(key), value: Buffer.from('v') });
  }
});

afterAll(() => shared?.[Symbol.asyncDispose]());

const send = (client: GrpcClient, rpc: string, request: Uint8Array) =>
  client.bytes(`/etcdserverpb.KV/${rpc}`, Buffer.from(request));

/** Of a RangeResponse: how many keys it holds, and how many it says there are. */
function counts(answer: Uint8Array): { keys: number; count: number } {
  const reader = new Reader(answer);
  let keys = 0;
  let count = 0;
  while (reader.next()) {
    if (reader.field === 2) keys += 1;
    if (reader.field === 4) count = reader.number();
  }
  return { keys, count };
}

/** Of a TxnResponse: whether its compares held. */
function succeeded(answer: Uint8Array): boolean {
  const reader = new Reader(answer);
  let isSo = false;
  while (reader.next()) if (reader.field === 2) isSo = reader.bool();
  return isSo;
}

test('a read finds one key', async () => {
  const answer = await send(red, 'Range', message([1, 'b'], [2, '']));
  expect(counts(answer)).toEqual({ keys: 1, count: 1 });
  const none = await send(red, 'Range', message([1, 'd'], [2, '']));
  expect(counts(none)).toEqual({ keys: 0, count: 0 });
});

test('a count includes no key of another tenant', async () => {
  const answer = await send(red, 'Range', message([1, 'd'], [2, ''], [9, 1n]));
  expect(counts(answer)).toEqual({ keys: 0, count: 0 });
});

test('a comparison reads no key of another tenant', async () => {
  // Whether every key from here on has version 5: with none at all that holds, with keys of others it does not.
  const holds = (compare: Uint8Array) =>
    send(red, 'Txn', message([1, compare], [2, message([1, message([1, 'b'])])])).then(succeeded);
  const absent = message([3, 'd'], [64, ''], [2, 0n], [4, 0n]);
  expect(await holds(absent)).toBe(await holds(message([3, 'd'], [2, 0n], [4, 0n])));
  const present = message([3, 'b'], [64, ''], [2, 0n], [4, 1n]);
  expect(await holds(present)).toBe(true);
  await direct.call('etcdserverpb.KV/Put', { key: Buffer.from('zed/secret') });
  expect(await holds(present)).toBe(true);
});

test('a read in a transaction, however deep, finds one key', async () => {
  const range = message([1, message([1, 'b'], [2, ''])]);
  const answer = await send(red, 'Txn', message([2, message([4, message([2, range])])]));
  expect(answer.toString('latin1')).not.toContain('secret');
});

test('a delete deletes one key', async () => {
  await send(red, 'DeleteRange', message([1, 'b'], [2, '']));
  const whole = { key: Buffer.from('\0'), range_end: Buffer.from('\0'), keys_only: true };
  const { kvs } = await direct.call('etcdserverpb.KV/Range', whole);
  expect(kvs.map(({ key }) => key.toString())).toEqual(['red/c', 'zed/secret', 'zzz']);
});
