/** The transactions of `import` and `mirror`: what they do when another client writes the same keys at the same time. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EtcdClient } from '../../../src/cli/transfer/etcd-client.ts';
import { Destination, Fenced, readPosition } from '../../../src/cli/transfer/mirror/destination.ts';
import type { Position } from '../../../src/cli/transfer/mirror/position.ts';
import { PutBatches } from '../../../src/cli/transfer/put-batches.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';

let etcd: Etcd;
let client: GrpcClient;
let own: EtcdClient;

beforeAll(async () => {
  etcd = await startEtcd();
  client = grpcClient(etcd.address);
  const [host = '', port] = etcd.address.split(':');
  own = await EtcdClient.connect(
    {
      endpoints: [{ name: etcd.address, address: { host, port: Number(port) }, tls: null }],
      ...{ login: null, keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000, transport: 'native' },
    },
    { outageMsMax: 10_000 },
  );
});

afterAll(async () => {
  own[Symbol.dispose]();
  client[Symbol.dispose]();
  await etcd[Symbol.asyncDispose]();
});

const bytes = (text: string) => Buffer.from(text);

const stored = async (key: string) => {
  const { kvs } = await client.call('etcdserverpb.KV/Range', { key: bytes(key) });
  return kvs[0]?.value.toString();
};

const put = (key: string, value: string) =>
  client.call('etcdserverpb.KV/Put', { key: bytes(key), value: bytes(value) });

describe('an import', () => {
  const importOf = async (keys: readonly string[], mayOverwrite: boolean) => {
    const counts = { keys: 0, present: 0 };
    const batches = new PutBatches(own, {
      mayOverwrite,
      onWritten: (written, present) => {
        counts.keys += written;
        counts.present += present;
      },
    });
    for (const key of keys) await batches.add({ key: bytes(key), value: bytes('new'), lease: 0n });
    await batches.finish();
    return counts;
  };

  test('does not overwrite a key that was created after the comparison', async () => {
    await put('a/2', 'of another client');
    await expect(importOf(['a/1', 'a/2', 'a/3'], false)).rejects.toThrow(
      '"a/2" was written to the destination by another client',
    );
    expect(await stored('a/2')).toBe('of another client');
  });

  test('does not count a key with the same value and a lease, with which it would disappear', async () => {
    await client.call('etcdserverpb.Lease/LeaseGrant', { ID: '7', TTL: '600' });
    await client.call('etcdserverpb.KV/Put', {
      ...{ key: bytes('e/1'), value: bytes('new'), lease: '7' },
    });
    await expect(importOf(['e/1'], false)).rejects.toThrow(
      '"e/1" was written to the destination by another client',
    );
  });

  test('counts a key that an earlier attempt has written, and writes the others', async () => {
    await put('b/2', 'new');
    expect(await importOf(['b/1', 'b/2', 'b/3'], false)).toEqual({ keys: 3, present: 1 });
    expect([await stored('b/1'), await stored('b/3')]).toEqual(['new', 'new']);
  });

  test('overwrites if it may', async () => {
    await put('c/1', 'old');
    expect(await importOf(['c/1'], true)).toEqual({ keys: 1, present: 0 });
    expect(await stored('c/1')).toBe('new');
  });
});

describe('the destination of a mirror', () => {
  const positionOf = (session: string): Position => ({
    source: { clusterId: '0123456789abcdef', namespace: bytes('s/') },
    namespace: bytes('d/'),
    ...{ session, sequence: 0 },
    state: { at: 'following', revision: 5, applied: 0 },
  });

  const takeOver = async (key: string, session: string) =>
    Destination.takeOver(own, bytes(key), await readPosition(own, bytes(key)), positionOf(session));

  test('accepts nothing from a mirror after another one has taken over', async () => {
    const first = await takeOver('p1', 'first');
    const delayed = first.begin();
    delayed.put(bytes('d/1'), bytes('too late'), 0n);
    const second = await takeOver('p1', 'second');
    await expect(first.commit(delayed)).rejects.toThrow(Fenced);
    const txn = first.begin();
    txn.put(bytes('d/1'), bytes('too late'), 0n);
    await expect(first.advance(txn, first.state)).rejects.toThrow(Fenced);
    expect(await stored('d/1')).toBeUndefined();
    await second.advance(second.begin(), { at: 'following', revision: 6, applied: 0 });
    expect((await readPosition(own, bytes('p1'))).position).toMatchObject({
      ...{ session: 'second', sequence: 1 },
      state: { revision: 6 },
    });
  });

  test('is taken over by one of two mirrors that start at the same time', async () => {
    const before = await readPosition(own, bytes('p2'));
    const results = await Promise.allSettled(
      ['first', 'second'].map((session) =>
        Destination.takeOver(own, bytes('p2'), before, positionOf(session)),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('is not written any more after its position was deleted or changed', async () => {
    const mirror = await takeOver('p3', 'first');
    await client.call('etcdserverpb.KV/DeleteRange', { key: bytes('p3') });
    await expect(mirror.advance(mirror.begin(), mirror.state)).rejects.toThrow(Fenced);
    await put('p3', 'something else');
    await expect(mirror.advance(mirror.begin(), mirror.state)).rejects.toThrow(Fenced);
    expect(await stored('p3')).toBe('something else');
  });
});
