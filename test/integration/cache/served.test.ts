/** What reads from the memory of the proxy return while clients, leases and other programs change the keys. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { GrpcClient } from '../../support/client.ts';
import { ordersProgress } from '../../support/etcd-release.ts';
import { Exposition } from '../../support/exposition.ts';
import { JsonClient } from '../../support/json-client.ts';
import { until } from '../../support/until.ts';
import { bytes, CachedEtcd, everything, hitsMin, list, prefix, put } from './cached-etcd.ts';

let cached: CachedEtcd;
let client: GrpcClient;
let direct: GrpcClient;
/** Of one case. */
let name: string;
let cases = 0;

beforeAll(async () => {
  cached = await CachedEtcd.start();
  client = cached.client();
  direct = cached.direct();
});

afterAll(() => cached?.[Symbol.asyncDispose]());

beforeEach(() => {
  cases += 1;
  name = `case${cases}/`;
});

async function sentByEtcd(): Promise<number> {
  const page = await (await fetch(`${cached.etcd.clientUrl}/metrics`)).text();
  return new Exposition(page).sum('etcd_network_client_grpc_sent_bytes_total');
}

test('many clients list a watched range, and etcd sends it about once', async () => {
  const keys = 200;
  const value = 'v'.repeat(1_000);
  for (let i = 0; i < keys; i++) await put(direct, `game/${name}${i}`, value);
  await cached.warm(client, prefix(name));
  const before = { sent: await sentByEtcd(), hits: await cached.hits() };
  const clients = Array.from({ length: 25 }, () => cached.client());
  // A linearizable read would pass to an older etcd if that is slow.
  const kinds = ordersProgress() ? [true, false] : [true];
  for (const serializable of kinds) {
    await Promise.all(
      clients.map(async (each) => {
        const { keys: listed } = await list(each, { ...prefix(name), serializable });
        expect(listed).toHaveLength(keys);
      }),
    );
  }
  expect((await cached.hits()) - before.hits).toBe(kinds.length * clients.length);
  expect(await cached.value('loads_total')).toBe(1);
  // The lists are at least 5 MB.
  expect((await sentByEtcd()) - before.sent).toBeLessThan(keys * value.length);
});

describe('a connection reads its own writes', () => {
  type Write = (i: number) => Promise<unknown>;
  const key = (i: number) => `${name}${i % 7}`;
  const writes: readonly (readonly [string, Write])[] = [
    ['puts', (i) => put(client, key(i), `${i}`)],
    [
      'deletions and puts of the same key',
      (i) =>
        i % 2 === 0
          ? put(client, key(0), `${i}`)
          : client.call('etcdserverpb.KV/DeleteRange', { key: bytes(key(0)) }),
    ],
    [
      'deletions of ranges',
      (i) =>
        i % 5 === 4
          ? client.call('etcdserverpb.KV/DeleteRange', {
              key: bytes(key(2)),
              range_end: bytes(key(6)),
            })
          : put(client, key(i), `${i}`),
    ],
    [
      'transactions that change several keys',
      (i) =>
        client.call('etcdserverpb.KV/Txn', {
          success: [
            { request_put: { key: bytes(key(i)), value: bytes(`${i}`) } },
            { request_delete_range: { key: bytes(key(i + 1)) } },
            { request_put: { key: bytes(key(i + 2)), value: bytes(`${i}`) } },
          ],
        }),
    ],
  ];

  test.each(writes)('%s', async (_name, write) => {
    await cached.warm(client, prefix(name));
    const before = await cached.hits();
    for (let i = 0; i < 24; i++) {
      await write(i);
      const read = await list(client, { ...prefix(name), serializable: i % 4 !== 0 });
      const stored = await list(direct, prefix(`game/${name}`));
      expect(read.keys.map((each) => `game/${each}`)).toEqual(stored.keys);
    }
    // Serializable reads wait until the event of the write has arrived.
    expect((await cached.hits()) - before).toBeGreaterThanOrEqual(hitsMin);
  });
});

test('a linearizable list has what another client has written to etcd directly before', async () => {
  await cached.warm(client, prefix(name));
  const hits = await cached.hits();
  for (let i = 0; i < 60; i++) {
    // Every third write is of another range, whose event does not arrive here.
    const isOther = i % 3 === 2;
    const revision = await put(direct, isOther ? 'other' : `game/${name}k`, `${i}`);
    const read = await list(client, prefix(name));
    expect(read.revision).toBeGreaterThanOrEqual(revision);
    expect(read.keys).toEqual([`${name}k=${isOther ? i - 1 : i}`]);
  }
  if (ordersProgress()) expect((await cached.hits()) - hits).toBeGreaterThanOrEqual(hitsMin);
});

test('a key whose lease has expired is gone', async () => {
  const { ID: lease } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 1 });
  const key = bytes(`${name}leased`);
  await client.call('etcdserverpb.KV/Put', { key, lease });
  await put(client, `${name}kept`, '');
  await cached.warm(client, prefix(name));
  const { kvs } = await client.call('etcdserverpb.KV/Range', {
    ...{ ...prefix(name), serializable: true },
  });
  expect(kvs.map((kv) => kv.lease)).toEqual(['0', lease]);
  const isGone = async () =>
    (await list(direct, { key: bytes(`game/${name}leased`) })).keys.length === 0;
  await until('expiry', isGone);
  const hits = await cached.hits();
  expect((await list(client, prefix(name))).keys).toEqual([`${name}kept=`]);
  const read = await list(client, { ...prefix(name), serializable: true });
  expect(read.keys).toEqual([`${name}kept=`]);
  expect(await cached.hits()).toBeGreaterThan(hits);
});

test('a watch of the whole namespace serves the ranges and keys inside', async () => {
  await using other = await CachedEtcd.start();
  const own = other.client();
  for (const key of ['a/1', 'a/2', 'b/1']) await put(own, key, key);
  await other.warm(own, everything);
  const before = await other.hits();
  const read = async (request: object) =>
    (await list(own, { serializable: true, ...request } as never)).keys;
  expect(await read(prefix('a/'))).toEqual(['a/1=a/1', 'a/2=a/2']);
  expect(await read({ key: bytes('b/1') })).toEqual(['b/1=b/1']);
  expect(await read({ key: bytes('a/2'), range_end: bytes('\0') })).toHaveLength(2);
  expect(await read({ key: bytes('none/'), range_end: bytes('none0') })).toEqual([]);
  expect((await other.hits()) - before).toBe(4);
  expect(await other.value('loads_total')).toBe(1);
});

test('the JSON gateway reads from memory, too', async () => {
  await put(client, `${name}k`, 'v');
  await cached.warm(client, prefix(name));
  const hits = await cached.hits();
  const { key, range_end } = prefix(name);
  const json = new JsonClient(`http://${cached.proxy.address('game')}`);
  const { kvs, count } = await json.call('kv/range', {
    key: key.toString('base64'),
    range_end: range_end.toString('base64'),
    serializable: true,
  });
  expect(kvs).toMatchObject([{ value: bytes('v').toString('base64'), version: '1' }]);
  expect(count).toBe('1');
  expect(await cached.hits()).toBe(hits + 1);
});
