import { describe, expect, test } from 'vitest';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import { Code, status } from '../../../src/grpc/status.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { Upstream } from '../../../src/upstream/upstream.ts';
import { Caller } from '../../support/caller.ts';
import { FakeClientTransport } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { callOf, message } from '../../support/test-call.ts';

const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };
const [first, second, third] = [1, 2, 3];
/** StatusResponse with version "3.6.1". */
const memberStatus = (leader: number, { cluster = 1, isLearner = false } = {}) =>
  Buffer.from([
    ...[0x0a, 2, 0x08, cluster],
    ...[0x12, 5, ...Buffer.from('3.6.1')],
    ...(leader === 0 ? [] : [0x20, leader]),
    ...(isLearner ? [0x50, 1] : []),
  ]);

function setUp(endpoints = [first, second, third]) {
  const clock = new ManualClock();
  const transport = new FakeClientTransport();
  const state = { isDraining: false };
  /** When the cluster was replaced. */
  const replaced: number[] = [];
  const upstream = new Upstream({
    memory: memoryOf(),
    endpoints: endpoints.map((port) => ({
      name: `http://e${port}`,
      address: { host: '127.0.0.1', port: Number(port) },
      tls: null,
    })),
    passesCredentials: () => true,
    login: null,
    mayMoveStreams: () => !state.isDraining,
    onLoginFailure: null,
    onClusterReplaced: () => replaced.push(clock.nowMs()),
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
    replaced,
    state,
    /** Responds to the probe of an endpoint that is in flight. */
    report: (port: number, response: Uint8Array) =>
      transport.to(port)[0]?.probes.at(-1)?.respond(Buffer.from(response)),
    /** Later connections to any endpoint are ready as soon as they are dialed. */
    connect: (port = first) => {
      transport.isReachable = true;
      for (const channel of transport.to(Number(port))) channel.become('ready');
    },
    /** One that has to connect first. */
    connectUnary: (port: number) => transport.to(port)[0]?.become('ready'),
    connections: () =>
      upstream.snapshot().map(({ connections: { unary, watch, lease } }) => [unary, watch, lease]),
    unary: (deadlineMs = Infinity) => {
      const above = new Caller();
      return Object.assign(above, {
        call: upstream.unary(
          callOf('etcdserverpb.KV/Put', {
            deadlineMs,
            metadata: ['token', 't', 'x', 'y', 'traceparent', 'z'],
          }),
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
    const refused = status(Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision', 'peer');
    transport.to(1)[0]?.clientCalls[0]?.end(refused);
    expect(above.status).toBe(refused);
  });
});

describe('the trailers of a status', () => {
  const details = ['grpc-status-details-bin', 'CAESAA'];

  test.each<[string, readonly string[], readonly string[]]>([
    ['details', details, details],
    ['a reason and a pushback', ['etcd-bulkhead-reason', 'x', 'grpc-retry-pushback-ms', '-1'], []],
    ['several', ['a', 'b', ...details, 'etcd-bulkhead-hint', 'x'], details],
  ])('pass only if etcd can send them: %s', (_what, sent, passed) => {
    const { connect, unary, stream, transport } = setUp();
    connect(first);
    const above = [unary(), stream()];
    for (const channel of transport.to(1)) {
      for (const call of channel.clientCalls) call.end(status(Code.UNKNOWN, 'x', 'peer', sent));
    }
    for (const { status: ended } of above) {
      expect(ended).toEqual(status(Code.UNKNOWN, 'x', 'peer', passed));
    }
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
    for (const port of [1, 2]) transport.to(port)[0]?.probes.at(-1)?.respond(memberStatus(7));
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

describe('a member that hangs', () => {
  const ok = status(Code.OK, '', 'peer');
  const timedOut = status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded');

  /** Two endpoints that have been probed. The first one does not respond from now on. */
  function hanging() {
    const parts = setUp([first, second]);
    for (const port of [first, second]) {
      parts.connect(port);
      parts.clock.advance(0);
      parts.report(port, memberStatus(7));
    }
    const calls = (port: number) => parts.transport.to(port)[0]?.clientCalls ?? [];
    return {
      ...parts,
      calls,
      /** One call each 100 ms, to which only the second endpoint responds. */
      load: (forMs: number, onCall: (above: ReturnType<typeof parts.unary>) => void = () => {}) => {
        for (let ms = 0; ms < forMs; ms += 100) {
          const above = parts.unary();
          for (const call of calls(second)) {
            if (!(call.isEnded || call.isCancelled)) call.respond(Buffer.of());
          }
          onCall(above);
          parts.clock.advance(100);
        }
      },
    };
  }

  test('is avoided after half a second without a response, and probed', () => {
    const { load, shares, upstream, transport } = hanging();
    load(2_000);
    expect(shares()[first - 1]).toBeLessThanOrEqual(4);
    expect(upstream.snapshot()[0]?.state).toBe('not responding');
    expect(transport.to(1)[0]?.probes).toHaveLength(2);
  });

  test('is avoided also if clients give up after a shorter time', () => {
    const { load, shares } = hanging();
    load(2_000, (above) => above.call.cancel());
    expect(shares()[first - 1]).toBeLessThanOrEqual(4);
  });

  test('stays avoided while its probes fail, and is used again after one has succeeded', () => {
    const { load, shares, report, upstream, clock, transport } = hanging();
    load(1_000);
    transport.to(1)[0]?.probes.at(-1)?.end(timedOut);
    const [before] = shares();
    load(2_000);
    expect(shares()[0]).toBe(before);
    clock.advance(4_000);
    report(first, memberStatus(7));
    expect(upstream.snapshot()[0]?.state).toBe('ready');
    load(1_000);
    expect(shares()[0]).toBeGreaterThan(before ?? 0);
  });

  test('is used if no other one responds', () => {
    const { unary, clock, shares, transport } = hanging();
    transport.to(2)[0]?.become('failed', 'gone');
    for (let i = 0; i < 3; i++) unary();
    clock.advance(1_000);
    unary();
    expect(shares()).toEqual([4, 0]);
  });

  test('is not suspected for a call that waits for other clients', () => {
    const { upstream, clock, calls } = hanging();
    upstream.unary(callOf('v3lockpb.Lock/Lock'), message('request'), new Caller());
    upstream.unary(callOf('v3lockpb.Lock/Lock'), message('request'), new Caller());
    clock.advance(1_000);
    expect(upstream.snapshot()[0]?.state).toBe('ready');
    for (const port of [first, second]) for (const call of calls(port)) call.end(ok);
  });
});

describe('a learner', () => {
  const rejected = (code: number) =>
    status(code, 'etcdserver: rpc not supported for learner', 'peer');

  test('receives no calls while there is a voter, and is noticed when it is promoted', () => {
    const { connect, report, unary, shares, upstream, clock } = setUp([first, second]);
    for (const port of [first, second]) connect(port);
    clock.advance(0);
    report(first, memberStatus(7, { isLearner: true }));
    report(second, memberStatus(7));
    for (let i = 0; i < 4; i++) unary();
    expect(shares()).toEqual([0, 4]);
    expect(upstream.snapshot()[0]?.state).toBe('learner');
    expect(upstream.snapshot().map(({ role }) => role)).toEqual(['learner', 'follower']);
    clock.advance(4_000);
    report(first, memberStatus(7));
    expect(upstream.snapshot()[0]?.state).toBe('ready');
    expect(upstream.snapshot()[0]?.role).toBe('follower');
  });

  test('has the role and the database size that its last status had', () => {
    const { connect, report, upstream, clock } = setUp([first, second]);
    const roles = () => upstream.snapshot().map(({ role, dbBytes }) => [role, dbBytes]);
    expect(roles()).toEqual([
      ['', 0],
      ['', 0],
    ]);
    for (const port of [first, second]) connect(port);
    clock.advance(0);
    // Member 7 is the leader. The IDs are unsigned numbers of 64 bits, as etcd chooses them.
    const status = (member: bigint, leader: bigint, dbBytes: number) =>
      new Writer()
        .bytes(1, new Writer().varint(1, 1n).varint(2, member).finish())
        .string(2, '3.6.1')
        .varint(3, BigInt(dbBytes))
        .varint(4, leader)
        .finish();
    const leader = 0x8e9e05c52164694dn;
    report(first, status(leader, leader, 20_480));
    report(second, status(3n, leader, 16_384));
    expect(roles()).toEqual([
      ['leader', 20_480],
      ['follower', 16_384],
    ]);
  });

  test.each([Code.FAILED_PRECONDITION, Code.UNAVAILABLE])(
    'that rejects a call with the code %d has not processed it, so another endpoint can',
    (code) => {
      const { connect, unary, upstream, transport } = setUp([first, second]);
      connect(first);
      const above = unary();
      connect(second);
      transport.to(1)[0]?.clientCalls[0]?.end(rejected(code));
      expect(above.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
      expect(upstream.snapshot()[0]?.state).toBe('learner');
    },
  );

  test('that connects first receives no calls while a voter is being dialed, until that has failed', () => {
    const { connect, unary, shares, upstream, transport } = setUp([first, second]);
    connect(first);
    const above = unary();
    transport.to(1)[0]?.clientCalls[0]?.end(rejected(Code.UNAVAILABLE));
    expect(above.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
    expect(upstream.isAvailable(method('etcdserverpb.KV/Put'))).toBe(false);
    for (const channel of transport.to(2)) channel.become('failed', 'connect ECONNREFUSED');
    unary();
    for (const channel of transport.to(2)) channel.become('connecting');
    unary();
    expect(shares()).toEqual([3, 0]);
    connect(second);
    unary();
    expect(shares()).toEqual([3, 1]);
  });

  test('that is the only endpoint passes its rejection on', () => {
    const { connect, unary, transport } = setUp([first]);
    connect(first);
    const above = unary();
    const status = rejected(Code.FAILED_PRECONDITION);
    transport.to(1)[0]?.clientCalls[0]?.end(status);
    expect(above.status).toBe(status);
  });
});

describe('a member of another cluster', () => {
  const ours = memberStatus(7, { cluster: 1 });
  const other = memberStatus(7, { cluster: 2 });

  test('receives no calls, also while all others are down', () => {
    const { connect, report, unary, shares, upstream, transport, clock } = setUp();
    for (const port of [first, second, third]) connect(port);
    clock.advance(0);
    for (const port of [first, second]) report(port, ours);
    report(third, other);
    for (let i = 0; i < 6; i++) unary();
    expect(shares()).toEqual([3, 3, 0]);
    expect(upstream.snapshot()[2]?.state).toBe('other cluster');
    for (const port of [1, 2]) {
      for (const channel of transport.to(port)) channel.become('failed', 'gone');
    }
    expect(unary().status).toMatchObject({ origin: 'unsent' });
    expect(shares()).toEqual([3, 3, 0]);
  });

  test('is one of the cluster as soon as most endpoints are', () => {
    const { connect, report, replaced, upstream, unary, shares, clock } = setUp();
    for (const port of [first, second, third]) connect(port);
    clock.advance(0);
    for (const port of [first, second, third]) report(port, ours);
    clock.advance(4_000);
    report(first, other);
    expect(replaced).toEqual([]);
    report(second, other);
    expect(replaced).toEqual([4_000]);
    expect(upstream.snapshot().map(({ state }) => state)).toEqual([
      'ready',
      'ready',
      'other cluster',
    ]);
    for (let i = 0; i < 4; i++) unary();
    expect(shares()).toEqual([2, 2, 0]);
  });

  test('replaces the cluster of a single endpoint at once', () => {
    const { connect, report, replaced, clock } = setUp([first]);
    connect(first);
    clock.advance(0);
    report(first, ours);
    expect(replaced).toEqual([]);
    clock.advance(4_000);
    report(first, other);
    expect(replaced).toEqual([4_000]);
  });
});

describe('probes', () => {
  const silent = status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded', 'proxy');
  const rejected = status(Code.UNAVAILABLE, 'etcdserver: no leader', 'peer');

  test.each([
    ['two in a row without a response', [silent, silent], 2],
    ['one without a response', [silent], 1],
    ['two without a response and one with one between them', [silent, rejected, silent], 1],
  ])('%s replace a connection that is open but useless, or keep it', (_, ends, connections) => {
    const { connect, clock, transport } = setUp([first]);
    connect(first);
    clock.advance(0);
    const [channel] = transport.to(1);
    const before = transport.to(1).length;
    for (const ended of ends) {
      channel?.probes.at(-1)?.end(ended);
      clock.advance(4_000);
    }
    expect(transport.to(1).length - before).toBe(connections - 1);
  });

  test('keep the newest header of the cluster, for responses of the proxy', () => {
    const { connect, clock, report, upstream } = setUp([first, second, third]);
    expect(upstream.header).toHaveLength(0);
    const header = (cluster: number, revision: number) =>
      new Writer().varint(1, cluster).varint(2, 5).varint(3, revision).varint(4, 2).finish();
    for (const [port, cluster, revision] of [
      [first, 1, 300],
      [second, 1, 301],
      [third, 9, 999],
    ] as const) {
      connect(port);
      clock.advance(0);
      report(port, new Writer().message(1, header(cluster, revision)).varint(4, 7).finish());
    }
    expect(Buffer.from(upstream.header)).toEqual(Buffer.from(header(1, 301)));
  });

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

  test('of all classes begins with the first unary connection, and is reported', () => {
    const { upstream, transport } = setUp();
    const available = () => [range, watch, keepAlive].map((each) => upstream.isAvailable(each));
    const told: boolean[][] = [];
    const stop = upstream.onAvailable(() => told.push(available()));
    expect(available()).toEqual([false, false, false]);
    transport.to(1)[0]?.become('ready');
    transport.to(2)[0]?.become('ready');
    expect(told).toEqual([[true, true, true]]);
    stop();
  });

  test('of unary lease methods is that of the unary channels', () => {
    const { upstream, transport } = setUp();
    transport.to(1)[0]?.become('ready');
    expect(upstream.isAvailable(method('etcdserverpb.Lease/LeaseGrant'))).toBe(true);
  });

  test('ends with the last connection of the class, and is reported again after a reconnect', () => {
    const { connect, stream, upstream, transport } = setUp([first, second]);
    connect(first);
    connect(second);
    stream();
    stream();
    transport.to(1)[0]?.become('failed');
    expect(upstream.isAvailable(range)).toBe(true);
    transport.to(2)[0]?.become('failed');
    expect(upstream.isAvailable(range)).toBe(false);
    expect(upstream.isAvailable(watch)).toBe(true);
    let told = 0;
    const stop = upstream.onAvailable(() => {
      told += 1;
    });
    transport.to(1)[0]?.become('ready');
    expect(told).toBe(1);
    expect(upstream.isAvailable(range)).toBe(true);
    stop();
  });
});

describe('watch and lease connections', () => {
  const watch = method('etcdserverpb.Watch/Watch');
  const minuteMs = 60_000;
  const lost = status(Code.UNAVAILABLE, 'lost', 'lost');

  /** Three endpoints whose `unary` connections are ready. `other` returns those to an endpoint that were dialed since. */
  function connected() {
    const parts = setUp();
    for (const port of [first, second, third]) parts.connectUnary(port);
    const others = () =>
      [first, second, third].flatMap((port) => parts.transport.to(port).slice(1));
    return { ...parts, others };
  }

  test('are not dialed before they are needed, and then one of each: five connections for a watch and a lease', () => {
    const { transport, stream, connections } = connected();
    expect(transport.channels).toHaveLength(3);
    transport.isReachable = true;
    stream('etcdserverpb.Watch/Watch');
    stream('etcdserverpb.Lease/LeaseKeepAlive');
    expect(transport.channels).toHaveLength(5);
    expect(connections().flat().sort()).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1]);
  });

  test('are dialed by the first call, which ends unsent, and calls are available when it is connected', () => {
    const { stream, upstream, others } = connected();
    const told: boolean[] = [];
    upstream.onAvailable(() => told.push(upstream.isAvailable(watch)));
    expect(upstream.isAvailable(watch)).toBe(true);
    expect(stream().status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
    expect([upstream.isAvailable(watch), upstream.isDialing(watch)]).toEqual([false, true]);
    expect(others()).toHaveLength(1);
    others()[0]?.become('ready');
    expect([told, upstream.isDialing(watch)]).toEqual([[true], false]);
    expect(stream().status).toBeNull();
  });

  test('are dialed to another endpoint if the first one fails', () => {
    const { stream, upstream, others } = connected();
    stream();
    let told = 0;
    upstream.onAvailable(() => {
      told += 1;
    });
    const [failed] = others();
    failed?.become('failed', 'connect ECONNREFUSED');
    expect([told, upstream.isAvailable(watch)]).toEqual([1, true]);
    stream();
    expect(others()).toHaveLength(2);
    others()
      .find((channel) => channel !== failed)
      ?.become('ready');
    expect(stream().status).toBeNull();
  });

  test('are dialed to another endpoint if the first one takes half a second', () => {
    const { stream, upstream, others, clock } = connected();
    stream();
    clock.advance(499);
    expect(upstream.isAvailable(watch)).toBe(false);
    clock.advance(1);
    expect(upstream.isAvailable(watch)).toBe(true);
    stream();
    expect(others()).toHaveLength(2);
    // The slow one is used as well.
    for (const channel of others()) channel.become('ready');
    stream();
    stream();
    expect(others().map(({ openStreams }) => openStreams)).toEqual([1, 1]);
  });

  test('of other endpoints are dialed when each connected one has a stream, and calls do not wait for them', () => {
    const { stream, upstream, others, transport } = connected();
    stream();
    others()[0]?.become('ready');
    const streams = [stream(), stream()];
    expect(streams.map(({ status: ended }) => ended)).toEqual([null, null]);
    // One at a time.
    expect(others()).toHaveLength(2);
    transport.isReachable = true;
    for (const channel of others()) channel.become('ready');
    for (let i = 0; i < 4; i++) stream();
    expect(upstream.snapshot().map(({ openStreams }) => openStreams.watch)).toEqual([2, 2, 2]);
  });

  test('replace that of a member that does not respond, although it is connected', () => {
    const { stream, others, clock, transport, upstream } = connected();
    clock.advance(0);
    for (const port of [first, second, third]) {
      transport.to(port)[0]?.probes.at(-1)?.respond(memberStatus(7));
    }
    stream();
    const [hanging] = others();
    hanging?.become('ready');
    stream();
    clock.advance(4_000);
    const index = [first, second, third].findIndex((port) =>
      transport.to(port).includes(hanging as never),
    );
    transport
      .to(index + 1)[0]
      ?.probes.at(-1)
      ?.end(status(Code.DEADLINE_EXCEEDED, 'x'));
    const before = hanging?.clientCalls.length;
    expect(upstream.isAvailable(watch)).toBe(true);
    stream();
    expect(hanging?.clientCalls).toHaveLength(before ?? 0);
    for (const channel of others()) channel.become('ready');
    expect(stream().status).toBeNull();
    expect(hanging?.clientCalls).toHaveLength(before ?? 0);
  });

  test('are dialed to the voter, and the learner that is connected rejects no watches', () => {
    const { stream, connectUnary, transport, upstream } = setUp([first, second]);
    connectUnary(first);
    for (const channel of transport.to(2)) channel.become('failed', 'connect ECONNREFUSED');
    stream();
    transport.to(1)[1]?.become('ready');
    const above = stream();
    connectUnary(second);
    const rejection = status(Code.UNAVAILABLE, 'etcdserver: rpc not supported for learner', 'peer');
    transport.to(1)[1]?.clientCalls[0]?.end(rejection);
    expect(above.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
    expect(stream().status).toMatchObject({ origin: 'unsent' });
    transport.to(2)[1]?.become('ready');
    expect(stream().status).toBeNull();
    expect(transport.to(1)[1]?.clientCalls).toHaveLength(1);
    expect(upstream.snapshot()[0]?.state).toBe('learner');
  });

  test('are not dialed to a learner while a voter is being dialed for the first time', () => {
    const { stream, connectUnary, transport, clock, report, upstream } = setUp([first, second]);
    connectUnary(first);
    clock.advance(0);
    report(first, memberStatus(7, { isLearner: true }));
    expect(upstream.isAvailable(watch)).toBe(false);
    stream();
    expect(transport.channels).toHaveLength(2);
    connectUnary(second);
    expect(upstream.isAvailable(watch)).toBe(true);
    stream();
    expect(transport.to(2)).toHaveLength(2);
  });

  test('do not wait for their backoff when the member is back: the next call dials', () => {
    const { stream, transport, others, upstream } = connected();
    transport.isReachable = true;
    stream();
    transport.isReachable = false;
    others()[0]?.calls[0]?.end(lost);
    for (const channel of transport.channels) channel.become('failed', 'connect ECONNREFUSED');
    expect(upstream.isAvailable(watch)).toBe(false);
    const [lostOne] = others();
    const port = [first, second, third].find((each) =>
      transport.to(each).some((channel) => channel === lostOne),
    );
    transport.to(port ?? 0)[0]?.become('ready');
    expect([lostOne?.state, upstream.isAvailable(watch)]).toEqual(['closed', true]);
    stream();
    others().at(-1)?.become('ready');
    expect(stream().status).toBeNull();
  });

  test('are closed after five minutes without a stream, and dialed again when they are needed', () => {
    const { stream, transport, clock, connections, upstream, others } = connected();
    transport.isReachable = true;
    const open = stream();
    clock.advance(20 * minuteMs);
    expect(others()[0]?.state).toBe('ready');
    open.call.cancel();
    clock.advance(4 * minuteMs);
    expect(others()[0]?.state).toBe('ready');
    clock.advance(2 * minuteMs);
    expect(others()[0]?.state).toBe('closed');
    expect(connections()).toEqual([
      [1, 0, 0],
      [1, 0, 0],
      [1, 0, 0],
    ]);
    expect(upstream.snapshot().map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
    expect(upstream.isAvailable(watch)).toBe(true);
    expect(stream().status).toBeNull();
  });

  test('that were lost and are not needed do not make their endpoint look failed for longer than five minutes', () => {
    const { stream, transport, clock, upstream, others } = connected();
    transport.isReachable = true;
    stream();
    const [channel] = others();
    channel?.calls[0]?.end(lost);
    channel?.become('failed', 'reset');
    expect(upstream.snapshot().map(({ state }) => state)).toContain('failed');
    clock.advance(6 * minuteMs);
    expect(upstream.snapshot().map(({ state }) => state)).not.toContain('failed');
  });

  test('leave no timer when the upstream is closed', () => {
    const { stream, upstream, clock } = connected();
    stream('etcdserverpb.Watch/Watch');
    stream('etcdserverpb.Lease/LeaseKeepAlive');
    upstream.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('an endpoint that an operator ejects', () => {
  test('receives no calls while there is another one, whatever its probes say, until it is automatic again', () => {
    const { connect, unary, shares, upstream, clock, report, transport } = setUp([first, second]);
    connect(first);
    connect(second);
    expect(upstream.forceEjection('http://e1', true)).toBe(true);
    clock.advance(0);
    report(first, memberStatus(7));
    report(second, memberStatus(7));
    for (let i = 0; i < 4; i++) unary();
    expect(shares()).toEqual([0, 4]);
    expect(upstream.snapshot()[0]).toMatchObject({
      state: 'ejected by an operator',
      isForced: true,
    });
    for (const call of transport.to(2)[0]?.clientCalls ?? []) call.respond(Buffer.of());
    clock.advance(60_000);
    // Probed as often as others.
    expect(transport.to(1)[0]?.probes.length).toBe(2);
    upstream.forceEjection('http://e1', false);
    for (let i = 0; i < 4; i++) unary();
    expect(shares()).toEqual([2, 6]);
  });

  test('is used if there is no other one, which can be asked', () => {
    const { connect, unary, upstream } = setUp([first, second]);
    connect(first);
    upstream.forceEjection('http://e1', true);
    expect(upstream.isCandidate('http://e1')).toBe(true);
    expect(unary().status).toBeNull();
    connect(second);
    expect(upstream.isCandidate('http://e1')).toBe(false);
  });

  test('must be configured', () => {
    expect(setUp([first]).upstream.forceEjection('http://e9', true)).toBe(false);
  });
});

describe('a member that does not respond to a probe', () => {
  const timedOut = status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded', 'proxy');

  /** A watch stream of the proxy and one of a client on each of two endpoints. */
  function watching() {
    const { clock, connect, upstream, transport } = setUp();
    connect(first);
    connect(second);
    clock.advance(0);
    const open = (isMovable: boolean) => {
      const call = callOf('etcdserverpb.Watch/Watch');
      call.isMovable = isMovable;
      const above = new Caller();
      upstream.stream(call, above);
      for (const { clientCalls } of transport.channels) clientCalls.at(-1)?.deliver(Buffer.of());
      return above;
    };
    const shared = [open(true), open(true)];
    const direct = [open(false), open(false)];
    expect(upstream.snapshot().map(({ openStreams }) => openStreams.watch)).toEqual([2, 2, 0]);
    const ended = () =>
      [shared, direct].map((all) => all.filter(({ status: end }) => end !== null).length);
    const fail = (port: number) => transport.to(port)[0]?.probes.at(-1)?.end(timedOut);
    return { connect, upstream, transport, shared, ended, fail };
  }

  test('loses the watch streams of the proxy at once, and no stream of a client', () => {
    const { ended, fail, shared, upstream } = watching();
    fail(1);
    expect(ended()).toEqual([1, 0]);
    const [moved] = shared.filter(({ status: end }) => end !== null);
    expect(moved?.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
    expect(upstream.snapshot().map(({ openStreams }) => openStreams.watch)).toEqual([1, 2, 0]);
  });

  test('keeps them if no other member responds either', () => {
    const { ended, fail } = watching();
    fail(1);
    fail(2);
    expect(ended()).toEqual([1, 0]);
  });
});

describe('a member that returns', () => {
  /** Eight watch streams on two endpoints; the third one connects then. `reopens` as the owner of a moved stream does. */
  function returning({ isMovable = true, count = 8 } = {}) {
    const parts = setUp();
    const { connect, upstream } = parts;
    connect(first);
    connect(second);
    const moved: Caller[] = [];
    const open = () => {
      const call = callOf('etcdserverpb.Watch/Watch');
      call.isMovable = isMovable;
      const above = new Caller();
      upstream.stream(call, above);
      for (const channel of parts.transport.channels) {
        const newest = channel.clientCalls.at(-1);
        if (newest !== undefined && !newest.isCancelled) newest.deliver(Buffer.of());
      }
      return above;
    };
    let callers = Array.from({ length: count }, open);
    const opened = () => upstream.snapshot().map(({ openStreams }) => openStreams.watch);
    /** Lets time pass. The owners of moved streams open them again. */
    const pass = (ms: number) => {
      for (let at = 0; at < ms; at += 1_000) {
        parts.clock.advance(1_000);
        callers = callers.map((caller) => {
          if (caller.status === null) return caller;
          moved.push(caller);
          return open();
        });
      }
    };
    return { ...parts, moved, opened, pass };
  }

  test('gets its share of the watch streams of the proxy, one every few seconds', () => {
    const { connect, opened, pass, moved } = returning();
    expect(opened()).toEqual([4, 4, 0]);
    connect(third);
    pass(14_000);
    expect(moved).toHaveLength(0);
    pass(31_000);
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.length).toBeLessThan(4);
    pass(120_000);
    const [a = 0, b = 0, c = 0] = opened();
    expect(a + b + c).toBe(8);
    expect(c).toBeGreaterThan(0);
    expect(Math.max(a, b) - c).toBeLessThan(4);
    for (const { status: ended } of moved) {
      expect(ended).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
    }
    const before = moved.length;
    pass(120_000);
    expect(moved).toHaveLength(before);
  });

  test('gets no streams of clients, which would notice', () => {
    const { connect, opened, pass, moved } = returning({ isMovable: false });
    connect(third);
    pass(120_000);
    expect([moved.length, opened()]).toEqual([0, [4, 4, 0]]);
  });

  test('gets none if the others have few', () => {
    const { connect, opened, pass, moved } = returning({ count: 6 });
    connect(third);
    pass(120_000);
    expect([moved.length, opened()]).toEqual([0, [3, 3, 0]]);
  });

  test('gets none while the process drains', () => {
    const { connect, pass, moved, state } = returning();
    state.isDraining = true;
    connect(third);
    pass(120_000);
    expect(moved).toEqual([]);
  });

  test('gets none while it comes and goes', () => {
    const { connect, pass, moved, transport } = returning();
    for (let i = 0; i < 10; i++) {
      connect(third);
      pass(7_000);
      for (const channel of transport.to(third)) channel.become('failed', 'reset');
      pass(3_000);
    }
    expect(moved).toEqual([]);
  });
});
