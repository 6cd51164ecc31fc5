/** The native client against a real etcd: what only the real one does (its windows, its pings, its resets). */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NativeClientTransport } from '../../../src/grpc/native/client.ts';
import { Code } from '../../../src/grpc/status.ts';
import type { Channel } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { Caller } from '../../support/caller.ts';
import { decodeResponse, encodeRequest } from '../../support/codec.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { until } from '../../support/until.ts';

describe('a native channel to etcd', () => {
  let etcd: Etcd;
  let channel: Channel;
  const faults: unknown[] = [];

  beforeAll(async () => {
    etcd = await startEtcd();
    const [host = '', port] = etcd.address.split(':');
    channel = new NativeClientTransport({
      clock: systemClock,
      memory: memoryOf(),
      random: systemRandom,
      onFault: (fault) => faults.push(fault),
    }).dial({
      address: { host, port: Number(port) },
      tls: null,
      keepaliveMs: 10_000,
      keepaliveTimeoutMs: 5_000,
    });
    await until('connection', () => channel.state === 'ready');
  });
  afterAll(async () => {
    channel.close();
    await etcd[Symbol.asyncDispose]();
    expect(faults).toEqual([]);
  });

  function start(path: string, message: Uint8Array): Caller {
    const caller = new Caller();
    channel.unary({ path, metadata: [], timeoutMs: 10_000 }, message, caller);
    return caller;
  }

  async function unary(path: string, message: Uint8Array): Promise<Caller> {
    const caller = start(path, message);
    await until(`response from ${path}`, () => caller.status !== null);
    return caller;
  }

  const put = (key: string, value: Buffer) =>
    encodeRequest('etcdserverpb.KV/Put', { key: Buffer.from(key), value });

  test('a value of 1.4 MB goes in and comes out', async () => {
    const value = Buffer.alloc(1_400_000, 'v');
    expect((await unary('/etcdserverpb.KV/Put', put('large', value))).status?.code).toBe(Code.OK);
    const range = encodeRequest('etcdserverpb.KV/Range', { key: Buffer.from('large') });
    const { messages } = await unary('/etcdserverpb.KV/Range', range);
    const answer = decodeResponse('etcdserverpb.KV/Range', messages[0] ?? Buffer.alloc(0));
    expect(Buffer.from(answer.kvs[0]?.value ?? []).equals(value)).toBe(true);
  });

  test('10,000 keys come in one response', async () => {
    // Fewer at a time than the 5,000 at which etcd says that it is too many (server/etcdserver, maxGapBetweenApplyAndCommitIndex).
    for (let from = 0; from < 10_000; from += 1_000) {
      const puts = Array.from({ length: 1_000 }, (_, i) =>
        start('/etcdserverpb.KV/Put', put(`many/${from + i}`, Buffer.alloc(256, i))),
      );
      await until('all puts', () => puts.every((caller) => caller.status !== null));
      expect(puts.every((caller) => caller.status?.code === Code.OK)).toBe(true);
    }
    const range = encodeRequest('etcdserverpb.KV/Range', {
      key: Buffer.from('many/'),
      range_end: Buffer.from('many0'),
    });
    const { messages } = await unary('/etcdserverpb.KV/Range', range);
    const answer = decodeResponse('etcdserverpb.KV/Range', messages[0] ?? Buffer.alloc(0));
    expect(answer.kvs).toHaveLength(10_000);
  });

  test('errors arrive with etcd’s text', async () => {
    const { status } = await unary('/etcdserverpb.KV/Put', put('', Buffer.from('v')));
    expect(status).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      text: 'etcdserver: key is not provided',
      origin: 'peer',
    });
    const unknown = await unary('/etcdserverpb.KV/Foo', Buffer.alloc(0));
    expect(unknown.status).toMatchObject({
      code: Code.UNIMPLEMENTED,
      text: 'unknown method Foo for service etcdserverpb.KV',
    });
  });

  test('a watch sees every event while 5,000 other streams are opened and cancelled', async () => {
    const caller = new Caller();
    const head = { path: '/etcdserverpb.Watch/Watch', metadata: [], timeoutMs: Infinity };
    const watch = channel.stream(head, caller);
    const create = { key: Buffer.from('w/'), range_end: Buffer.from('w0') };
    watch.send(encodeRequest('etcdserverpb.Watch/Watch', { create_request: create }));
    await until('created', () => caller.messages.length === 1);
    for (let i = 0; i < 5_000; i++) {
      const cancelled = channel.stream(head, new Caller());
      cancelled.send(encodeRequest('etcdserverpb.Watch/Watch', { create_request: create }));
      cancelled.cancel();
      if (i % 100 === 0) await unary('/etcdserverpb.KV/Put', put(`w/${i}`, Buffer.from('v')));
    }
    const events = () =>
      caller.messages
        .slice(1)
        .flatMap((each) => decodeResponse('etcdserverpb.Watch/Watch', each).events);
    await until('all events', () => events().length === 50);
    expect(events().map((event) => Buffer.from(event.kv.key).toString())).toEqual(
      Array.from({ length: 50 }, (_, i) => `w/${i * 100}`),
    );
    expect(caller.status).toBeNull();
    watch.cancel();
  });
});
