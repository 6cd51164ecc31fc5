import { describe, expect, test } from 'vitest';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import { Code, status } from '../../../src/grpc/status.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { Caller } from '../../support/caller.ts';
import { FakeClientTransport } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf, message } from '../../support/test-call.ts';

const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };
const [first, second, third] = [1, 2, 3];
/** StatusResponse with version "3.6.1" and the given leader. */
const memberStatus = (leader: number) =>
  Buffer.from([0x12, 5, ...Buffer.from('3.6.1'), ...(leader === 0 ? [] : [0x20, leader])]);

function setUp(endpoints = [first, second, third]) {
  const clock = new ManualClock();
  const transport = new FakeClientTransport();
  const upstream = new Upstream({
    endpoints: endpoints.map((port) => ({
      name: `http://e${port}`,
      address: { host: '127.0.0.1', port: Number(port) },
      tls: null,
    })),
    passesCredentials: () => true,
    login: null,
    onLoginFailure: null,
    keepaliveMs: 10_000,
    keepaliveTimeoutMs: 5_000,
    transport,
    clock,
    random,
  });
  return {
    clock,
    transport,
    upstream,
    connect: (port = first) => {
      for (const channel of transport.to(Number(port))) channel.become('ready');
    },
    unary: (deadlineMs = Infinity) => {
      const above = new Caller();
      return Object.assign(above, {
        call: upstream.unary(
          callOf('etcdserverpb.KV/Put', { deadlineMs, metadata: ['token', 't', 'x', 'y'] }),
          message('request'),
          above,
        ),
      });
    },
    stream: (name: MethodName = 'etcdserverpb.Watch/Watch') => {
      const above = new Caller();
      return Object.assign(above, { call: upstream.stream(callOf(name), above) });
    },
    /** How many calls of clients each endpoint has received, over all of its connections. */
    shares: () =>
      endpoints.map((port) =>
        transport.to(Number(port)).reduce((sum, channel) => sum + channel.clientCalls.length, 0),
      ),
  };
}

describe('unary calls', () => {
  test('are distributed round-robin over the connected endpoints', () => {
    const { connect, unary, shares } = setUp();
    for (const port of [first, second, third]) connect(port);
    for (let i = 0; i < 30; i += 1) unary();
    expect(shares()).toEqual([10, 10, 10]);
  });

  test('skip an endpoint that is down, and use it again after it has reconnected', () => {
    const { connect, unary, shares, transport } = setUp();
    for (const port of [first, second, third]) connect(port);
    transport.to(2)[0]?.become('failed', 'connect ECONNREFUSED');
    for (let i = 0; i < 10; i += 1) unary();
    expect(shares()[1]).toBe(0);
    connect(second);
    for (let i = 0; i < 9; i += 1) unary();
    expect(shares()[1]).toBe(3);
  });

  test('end immediately, unsent, if no endpoint is connected', () => {
    expect(setUp().unary().status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
  });

  test('carry the rest of their deadline, and the metadata that etcd understands', () => {
    const { connect, unary, transport, clock } = setUp();
    connect(first);
    clock.advance(1_000);
    unary(3_500);
    unary();
    const heads = transport.to(1)[0]?.clientCalls.map(({ head }) => head);
    expect(heads?.map(({ timeoutMs }) => timeoutMs)).toEqual([2_500, Infinity]);
    expect(heads?.[0]).toMatchObject({ path: '/etcdserverpb.KV/Put', metadata: ['token', 't'] });
  });

  test('whose deadline has passed are not sent', () => {
    const { connect, unary, shares, clock } = setUp();
    connect(first);
    clock.advance(1_000);
    expect(unary(1_000).status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, origin: 'proxy' });
    expect(shares()).toEqual([0, 0, 0]);
  });

  test('pass statuses on unchanged', () => {
    const { connect, unary, transport } = setUp();
    connect(first);
    const above = unary();
    const refused = status(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision', 'peer', [
      'a',
      'b',
    ]);
    transport.to(1)[0]?.clientCalls[0]?.end(refused);
    expect(above.status).toBe(refused);
  });
});

describe('streams', () => {
  test('watches, keepalives and other streams have a connection each', () => {
    const { connect, stream, unary, transport } = setUp([first]);
    connect(first);
    stream('etcdserverpb.Watch/Watch');
    stream('etcdserverpb.Lease/LeaseKeepAlive');
    stream('etcdserverpb.KV/RangeStream');
    unary();
    expect(
      transport.to(1).map((channel) => channel.clientCalls.map(({ head }) => head.path)),
    ).toEqual([
      ['/etcdserverpb.KV/RangeStream', '/etcdserverpb.KV/Put'],
      ['/etcdserverpb.Watch/Watch'],
      ['/etcdserverpb.Lease/LeaseKeepAlive'],
    ]);
  });

  test('go to the endpoint with the fewest streams, so a reconnected member gets its share', () => {
    const { connect, stream, upstream } = setUp();
    connect(first);
    connect(second);
    for (let i = 0; i < 8; i += 1) stream();
    connect(third);
    const late = Array.from({ length: 4 }, () => stream());
    const open = () => upstream.snapshot().map(({ openStreams }) => openStreams.watch);
    expect(open()).toEqual([4, 4, 4]);
    for (const each of late) each.call.cancel();
    expect(open()).toEqual([4, 4, 0]);
  });

  test('that have ended are no longer counted, by status or by cancel', () => {
    const { connect, stream, upstream, transport } = setUp([first]);
    connect(first);
    const [ended, cancelled] = [stream(), stream()];
    transport.to(1)[1]?.calls[0]?.end(status(Code.UNAVAILABLE, 'x', 'lost'));
    ended.call.cancel();
    cancelled.call.cancel();
    expect(upstream.snapshot()[0]?.openStreams.watch).toBe(0);
  });
});

describe('an endpoint that keeps failing', () => {
  function failing() {
    const parts = setUp([first, second]);
    parts.connect(first);
    parts.connect(second);
    const fail = (times: number) => {
      for (let i = 0; i < times; i += 1) {
        parts.unary();
        parts.unary();
        const newest = parts.transport.to(1)[0]?.clientCalls.at(-1);
        newest?.end(status(Code.UNAVAILABLE, 'Connection dropped', 'lost'));
      }
    };
    return { ...parts, fail };
  }

  test('is skipped until a probe succeeds', () => {
    const { fail, shares, unary, upstream, clock, transport } = failing();
    fail(5);
    expect(upstream.snapshot()[0]?.state).toBe('ejected');
    const [before] = shares();
    for (let i = 0; i < 6; i += 1) unary();
    expect(shares()[0]).toBe(before);
    clock.advance(1_500);
    const probe = transport.to(1)[0]?.probes.at(-1);
    probe?.respond(memberStatus(7));
    expect(upstream.snapshot()[0]?.state).toBe('ready');
    for (let i = 0; i < 6; i += 1) unary();
    expect(shares()[0]).toBe((before ?? 0) + 3);
  });

  test('is still used if it is the last', () => {
    const { fail, unary, transport, shares } = failing();
    fail(5);
    transport.to(2)[0]?.become('failed', 'gone');
    const [before] = shares();
    unary();
    expect(shares()[0]).toBe((before ?? 0) + 1);
  });
});

describe('probes', () => {
  test('start when an endpoint connects, read its version, and make members with a leader preferred', () => {
    const { connect, unary, shares, upstream, clock, transport } = setUp([first, second]);
    connect(first);
    connect(second);
    clock.advance(0);
    for (const [port, leader] of [
      [1, 0],
      [2, 9],
    ] as const) {
      const probe = transport.to(port)[0]?.probes[0];
      probe?.respond(memberStatus(leader));
    }
    expect(upstream.snapshot()).toMatchObject([
      { state: 'no leader', version: '3.6.1', isUp: true },
      { state: 'ready', version: '3.6.1', isUp: true },
    ]);
    for (let i = 0; i < 4; i += 1) unary();
    expect(shares()).toEqual([0, 4]);
  });

  test('repeat every few seconds, one at a time, and stop with the upstream', () => {
    const { connect, clock, transport, upstream } = setUp([first]);
    connect(first);
    clock.advance(60_000);
    const probes = transport.to(1)[0]?.probes ?? [];
    expect(probes).toHaveLength(1);
    probes[0]?.end(status(Code.UNAVAILABLE, 'etcdserver: request timed out', 'peer'));
    expect(upstream.snapshot()[0]?.lastError).toBe('etcdserver: request timed out');
    clock.advance(4_000);
    expect(transport.to(1)[0]?.probes).toHaveLength(2);
    upstream.close();
    expect(clock.pendingTimers).toBe(0);
  });

  test.each([
    [status(Code.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'peer'), ''],
    [status(Code.UNAVAILABLE, 'Connection dropped', 'lost'), 'Connection dropped'],
  ])('that end with %j report the last error "%s"', (ended, lastError) => {
    const { connect, clock, transport, upstream } = setUp([first]);
    connect(first);
    clock.advance(0);
    transport.to(1)[0]?.probes[0]?.end(ended);
    expect(upstream.snapshot()[0]?.lastError).toBe(lastError);
  });

  test('continue after a response that is not protobuf', () => {
    const { connect, clock, transport, upstream } = setUp([first]);
    connect(first);
    clock.advance(0);
    const probe = transport.to(1)[0]?.probes[0];
    probe?.respond(Buffer.from([0x12, 0xff]));
    expect(upstream.snapshot()[0]?.lastError).toMatch(/protobuf/);
  });
});

describe('availability', () => {
  const range = method('etcdserverpb.KV/Range');
  const watch = method('etcdserverpb.Watch/Watch');
  const keepAlive = method('etcdserverpb.Lease/LeaseKeepAlive');

  test('is reported per channel class, when its first connection is ready', () => {
    const { upstream, transport } = setUp();
    const available = () => [range, watch, keepAlive].map((each) => upstream.isAvailable(each));
    const told: boolean[][] = [];
    const stop = upstream.onAvailable(() => told.push(available()));
    expect(available()).toEqual([false, false, false]);
    for (const channel of transport.to(1)) channel.become('ready');
    for (const channel of transport.to(2)) channel.become('ready');
    expect(told).toEqual([
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ]);
    stop();
  });

  test('of unary lease methods is that of the unary channels', () => {
    const { upstream, transport } = setUp();
    transport.to(1)[0]?.become('ready');
    expect(upstream.isAvailable(method('etcdserverpb.Lease/LeaseGrant'))).toBe(true);
  });

  test('ends with the last connection of the class, and is reported again after a reconnect', () => {
    const { connect, upstream, transport } = setUp();
    connect(first);
    connect(second);
    transport.to(1)[0]?.become('failed');
    expect(upstream.isAvailable(range)).toBe(true);
    transport.to(2)[0]?.become('failed');
    expect(upstream.isAvailable(range)).toBe(false);
    expect(upstream.isAvailable(watch)).toBe(true);
    let told = 0;
    const stop = upstream.onAvailable(() => {
      told += 1;
    });
    connect(third);
    expect(told).toBe(1);
    expect(upstream.isAvailable(range)).toBe(true);
    stop();
  });
});
