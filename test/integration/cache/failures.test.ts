/** Reads of a range in memory while its bound is reached, connections break, etcd hangs, and clients do not read. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { type GrpcClient, refusal } from '../../support/client.ts';
import { decodeResponse, encodeRequest } from '../../support/codec.ts';
import { until } from '../../support/until.ts';
import { CachedEtcd, list, prefix, put } from './cached-etcd.ts';

const mib = 2 ** 20;

test('a range that outgrows the bound is dropped, and etcd returns what it has', async () => {
  await using cached = await CachedEtcd.start();
  const client = cached.client();
  await put(client, 'k/first', 'v');
  await cached.warm(client, prefix('k/'));
  expect(await cached.value('ranges')).toBe(1);
  const direct = cached.direct();
  // The bound of a range is 16 MiB.
  for (let i = 0; i < 17; i++) await put(direct, `game/k/${i}`, 'x'.repeat(mib));
  await until('drop', async () => (await cached.value('ranges')) === 0);
  expect(await cached.value('range_bytes')).toBe(0);
  const hits = await cached.hits();
  for (const serializable of [true, false]) {
    const count = { ...prefix('k/'), serializable, count_only: true };
    expect((await client.call('etcdserverpb.KV/Range', count)).count).toBe('18');
  }
  expect(await cached.hits()).toBe(hits);
  expect(await cached.misses('dropped')).toBeGreaterThanOrEqual(2);
  // Not read again at once, which would cost etcd the whole range for nothing.
  expect(await cached.value('loads_total')).toBe(1);
});

test('reads are right and never go back while the connections to etcd break', async () => {
  await using cached = await CachedEtcd.start();
  const client = cached.client();
  await put(client, 'k/0', '0');
  await cached.warm(client, prefix('k/'));
  let seen = 0;
  for (let i = 1; i <= 60; i++) {
    if (i % 10 === 0) cached.relay.cut();
    const written = await putAgain(client, `${i}`);
    const serializable = i % 2 === 0;
    const read = await readAgain(client, serializable);
    expect(read.keys).toEqual([`k/0=${i}`]);
    expect(read.revision).toBeGreaterThanOrEqual(Math.max(written, seen));
    seen = read.revision;
  }
  // After every cut the range is read again.
  await cached.untilHit(client, prefix('k/'), await cached.hits());
  expect(await cached.value('loads_total')).toBeGreaterThan(1);
  expect(await cached.value('loads_total')).toBe(1 + (await cached.value('drops_total')));
});

/** A put may fail with its connection. Its outcome is unknown then, so it is repeated. */
async function putAgain(client: GrpcClient, value: string): Promise<number> {
  let revision = 0;
  await until('put', async () => {
    revision = await put(client, 'k/0', value).catch(() => 0);
    return revision > 0;
  });
  return revision;
}

async function readAgain(client: GrpcClient, serializable: boolean) {
  let found: Awaited<ReturnType<typeof list>> | null = null;
  await until('list', async () => {
    found = await list(client, { ...prefix('k/'), serializable }).catch(() => null);
    return found !== null;
  });
  return found as unknown as Awaited<ReturnType<typeof list>>;
}

test('while etcd hangs, serializable reads are served, and linearizable ones end by their deadlines', async () => {
  await using cached = await CachedEtcd.start();
  const client = cached.client();
  const direct = cached.direct();
  await put(client, 'k/0', 'v');
  await cached.warm(client, prefix('k/'));
  cached.etcd.pause();
  try {
    const hits = await cached.hits();
    const read = await list(client, { ...prefix('k/'), serializable: true });
    expect(read.keys).toEqual(['k/0=v']);
    expect(await cached.hits()).toBe(hits + 1);
    const startedAt = performance.now();
    const refused = await refusal(
      client.call('etcdserverpb.KV/Range', prefix('k/'), { timeoutMs: 2_000 }),
    );
    expect(refused.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(performance.now() - startedAt).toBeLessThan(8_000);
    expect(await cached.misses('late')).toBeGreaterThanOrEqual(1);
  } finally {
    cached.etcd.resume();
  }
  await put(direct, 'game/k/1', 'w');
  const { keys } = await readAgain(client, false);
  expect(keys).toEqual(['k/0=v', 'k/1=w']);
});

test('a read that waits for the position of a watch passes to etcd when the watch is lost', async () => {
  await using cached = await CachedEtcd.start();
  const client = cached.client();
  await put(client, 'k/0', 'v');
  await cached.warm(client, prefix('k/'));
  cached.etcd.pause();
  const reads = Array.from({ length: 20 }, () => readAgain(client, false));
  await sleep(50);
  cached.relay.cut();
  cached.etcd.resume();
  for (const { keys } of await Promise.all(reads)) expect(keys).toEqual(['k/0=v']);
});

test('clients that do not read their responses neither delay others nor get other bytes', async () => {
  await using cached = await CachedEtcd.start();
  const client = cached.client();
  const direct = cached.direct();
  for (let i = 0; i < 8; i++) await put(direct, `game/k/${i}`, `${i}`.repeat(mib / 8));
  await cached.warm(client, prefix('k/'));
  const before = await list(client, { ...prefix('k/'), serializable: true });
  const session = connect(`http://${cached.proxy.address('game')}`, {
    settings: { initialWindowSize: 1_000, enablePush: false },
  });
  try {
    const streams = Array.from({ length: 40 }, (_, i) => {
      const stream = session.request({
        ...{ ':method': 'POST', ':path': '/etcdserverpb.KV/Range', te: 'trailers' },
        'content-type': 'application/grpc',
      });
      const serializable = i % 2 === 0;
      const request = encodeRequest('etcdserverpb.KV/Range', { ...prefix('k/'), serializable });
      const head = Buffer.alloc(5);
      head.writeUInt32BE(request.length, 1);
      stream.end(Buffer.concat([head, request]));
      return stream;
    });
    // The first bytes have arrived: the responses are those of this state.
    await Promise.all(streams.map((stream) => once(stream, 'readable')));
    // The state changes, and others are served.
    for (let i = 0; i < 8; i++) {
      await put(direct, `game/k/${i}`, `new ${i}`);
      const read = await list(client, prefix('k/'));
      expect(read.keys[i]).toBe(`k/${i}=new ${i}`);
    }
    for (const stream of streams) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(stream, 'end');
      const { kvs } = decodeResponse('etcdserverpb.KV/Range', Buffer.concat(chunks).subarray(5));
      expect(kvs.map(({ key, value }) => `${key}=${value}`)).toEqual(before.keys);
    }
  } finally {
    session.destroy();
  }
});
