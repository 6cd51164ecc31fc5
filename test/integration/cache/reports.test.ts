/**
 * Reports about the range cache of etcd's own grpc-proxy, which is invalidated by the writes that pass through it. Reads from
 * memory here are of a state that the events of etcd change, so none of them must happen.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { GrpcClient } from '../../support/client.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { bytes, CachedEtcd, everything, hitsMin, list, prefix, put } from './cached-etcd.ts';

let cached: CachedEtcd;
let client: GrpcClient;
let direct: GrpcClient;

beforeEach(async () => {
  cached = await CachedEtcd.start();
  client = cached.client();
  direct = cached.direct();
  for (const key of ['a', 'b', 'c']) await put(client, key, '0');
});

afterEach(() => cached?.[Symbol.asyncDispose]());

test('a serializable read of all keys from one on has what is written and deleted above it (etcd#22397)', async () => {
  await cached.warm(client, everything);
  const fromB = { key: bytes('b'), range_end: bytes('\0'), serializable: true };
  const hits = await cached.hits();
  expect((await list(client, fromB)).keys).toEqual(['b=0', 'c=0']);
  await put(client, 'c', '1');
  expect((await list(client, fromB)).keys).toEqual(['b=0', 'c=1']);
  await put(client, 'd', '1');
  expect((await list(client, fromB)).keys).toEqual(['b=0', 'c=1', 'd=1']);
  await client.call('etcdserverpb.KV/DeleteRange', {
    key: bytes('c'),
    range_end: bytes('\0'),
  });
  expect((await list(client, fromB)).keys).toEqual(['b=0']);
  const { keys } = await list(client, { key: bytes('d'), serializable: true });
  expect(keys).toEqual([]);
  expect((await cached.hits()) - hits).toBeGreaterThanOrEqual(1);
});

test('after a compaction, keys that have not changed since are read as before (etcd#7599)', async () => {
  await cached.warm(client, everything);
  const hits = await cached.hits();
  const revision = await put(client, 'b', '1');
  const all = { ...everything, serializable: true };
  // By the tenant, which is a floor for it alone, and of the cluster.
  for (const compacting of [client, direct]) {
    await compacting.call('etcdserverpb.KV/Compact', { revision });
    expect((await list(client, all)).keys).toEqual(['a=0', 'b=1', 'c=0']);
    const one = await list(client, { key: bytes('a'), serializable: true });
    expect(one.keys).toEqual(['a=0']);
    expect((await list(client, everything)).keys).toEqual(['a=0', 'b=1', 'c=0']);
  }
  expect((await cached.hits()) - hits).toBeGreaterThanOrEqual(1);
  // What is compacted is an error, as without memory.
  const old = list(client, { ...all, revision: revision - 1 });
  const { details } = await refusal(old);
  expect(details).toBe('etcdserver: mvcc: required revision has been compacted');
});

test('writes through another proxy, and directly to etcd, are in later reads, also if no one writes here (etcd#14478, etcd#14665)', async () => {
  await using other = await startTestProxy({
    endpoints: [cached.etcd.address],
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'cache-reads': true },
  });
  using elsewhere = grpcClient(other.address('game'));
  await cached.warm(client, everything);
  const hits = await cached.hits();
  for (let i = 1; i <= 20; i++) {
    await put(elsewhere, 'a', `${i}`);
    await put(direct, 'game/b', `${i}`);
    expect((await list(client, everything)).keys).toEqual([`a=${i}`, `b=${i}`, 'c=0']);
    // It has seen them, so a serializable read has them, too.
    const read = await list(client, { ...prefix('a'), serializable: true });
    expect(read.keys).toEqual([`a=${i}`]);
  }
  await elsewhere.call('etcdserverpb.KV/DeleteRange', everything);
  expect((await list(client, everything)).keys).toEqual([]);
  expect((await cached.hits()) - hits).toBeGreaterThanOrEqual(hitsMin);
});
