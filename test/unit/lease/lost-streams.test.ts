import { describe, expect, test } from 'vitest';
import { Code, ok, status } from '../../../src/grpc/status.ts';
import { keepAliveLimits } from '../../../src/lease/limits.ts';
import { classifyStreamEnd } from '../../../src/lease/stream-end.ts';
import { holdMs, KeepAliveSetup, lease, requestTimeoutMs, respond, sentOn } from './setup.ts';

const [a, b, c] = [lease(1), lease(2), lease(3)];
const lost = status(Code.UNAVAILABLE, 'etcdserver: unhealthy cluster', 'proxy');

/** One stream with `a`, `b` and `c` in flight, of a client each. */
function threeInFlight() {
  const setup = new KeepAliveSetup({ streamsMax: 1 });
  const clients = [setup.client(), setup.client(), setup.client()] as const;
  const first = setup.client();
  first.renew(lease(0));
  respond(setup.etcd.last, lease(0));
  for (const [i, client] of clients.entries()) client.renew(lease(i + 1));
  const stream = setup.etcd.last;
  expect(sentOn(stream)).toEqual([lease(0), a, b, c]);
  return { setup, clients, stream, first };
}

describe('a lost stream', () => {
  test('is replaced after a backoff, and its renewals are sent again in their order', () => {
    const { setup, clients, stream } = threeInFlight();
    respond(stream, a);
    stream.end(lost);
    expect(setup.open).toHaveLength(0);
    setup.clock.advance(100);
    const replacement = setup.etcd.last;
    expect(sentOn(replacement)).toEqual([b]);
    respond(replacement, b);
    respond(replacement, c);
    expect(clients.map(({ received }) => received)).toEqual([
      [`${a}:60`],
      [`${b}:60`],
      [`${c}:60`],
    ]);
    expect(clients.every(({ status: ended }) => ended === null)).toBe(true);
    expect(setup.stats.repetitions).toBe(2);
  });

  test('hands its renewals to the other streams at once', () => {
    const setup = new KeepAliveSetup({ streamsMax: 2 });
    const [one, two] = [setup.client(), setup.client()];
    one.renew(a);
    two.renew(b);
    const [first, second] = setup.open;
    if (first === undefined || second === undefined) throw new Error('one stream');
    respond(second, b);
    first.end(lost);
    expect(sentOn(second)).toEqual([b, a]);
    // The next stream could reach the member that has just failed.
    one.renew(c);
    setup.clock.advance(1_000);
    expect(setup.open).toHaveLength(1);
  });

  test('does not renew again for clients that have left', () => {
    const { setup, clients, stream } = threeInFlight();
    clients[0].requests?.cancel();
    clients[2].requests?.cancel();
    stream.end(lost);
    setup.clock.advance(100);
    respond(setup.etcd.last, b);
    expect(sentOn(setup.etcd.last)).toEqual([b]);
  });

  test('lets requests that came meanwhile join the repeated renewal', () => {
    const { setup, clients, stream } = threeInFlight();
    clients[1].renew(a);
    stream.end(lost);
    setup.clock.advance(100);
    respond(setup.etcd.last, a, 5);
    respond(setup.etcd.last, b, 6);
    expect(clients[1].received).toEqual([`${b}:6`, `${a}:5`]);
    expect(sentOn(setup.etcd.last)).toEqual([a, b, c]);
  });

  test('is replaced without a backoff once an endpoint is available again', () => {
    const { setup, stream } = threeInFlight();
    setup.setAvailable(false);
    stream.end(lost);
    setup.clock.advance(1_000);
    expect(setup.open).toHaveLength(0);
    setup.setAvailable(true);
    expect(setup.open).toHaveLength(1);
  });

  test('keeps a backoff that grows while no stream works', () => {
    const setup = new KeepAliveSetup();
    setup.etcd.onCall = (call) => call.end(lost);
    setup.client().renew(a);
    setup.clock.advance(10_000);
    expect(setup.etcd.calls.length).toBeGreaterThan(5);
    expect(setup.etcd.calls.length).toBeLessThan(15);
  });

  test('that delivers a response for another lease is given up', () => {
    const { setup, clients, stream } = threeInFlight();
    respond(stream, lease(99));
    expect(stream.isCancelled).toBe(true);
    setup.clock.advance(100);
    respond(setup.etcd.last, a);
    expect(clients[0].received).toEqual([`${a}:60`]);
  });
});

describe('a stalled stream', () => {
  test('is given up, and its renewals go elsewhere', () => {
    const { setup, clients, stream } = threeInFlight();
    setup.clock.advance(1_500);
    expect(stream.isCancelled).toBe(false);
    setup.clock.advance(1_000);
    expect(stream.isCancelled).toBe(true);
    for (const id of [a, b, c]) respond(setup.etcd.last, id);
    expect(clients.map(({ received }) => received.length)).toEqual([1, 1, 1]);
  });

  test('is waited for longer each time, up to the time that etcd itself tries', () => {
    const setup = new KeepAliveSetup();
    setup.client().renew(a);
    const waitsMs: number[] = [];
    for (let ms = 0; ms < 14_900; ms += 50) {
      setup.clock.advance(50);
      if (setup.etcd.calls.length > waitsMs.length + 1) waitsMs.push(ms);
    }
    expect(waitsMs.map((ms, i) => Math.floor((ms - (waitsMs[i - 1] ?? 0)) / 1_000))).toEqual([
      2, 4, 8,
    ]);
  });

  test('is not one that makes progress', () => {
    const { setup, stream } = threeInFlight();
    for (const id of [a, b, c]) {
      setup.clock.advance(1_500);
      respond(stream, id);
    }
    expect(stream.isCancelled).toBe(false);
  });
});

describe('a client that waits too long', () => {
  test('ends with a text of etcd when etcd does not respond', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a);
    setup.clock.advance(requestTimeoutMs - 500);
    expect(client.status).toBeNull();
    setup.clock.advance(1_000);
    expect([client.code, client.text]).toEqual([Code.UNAVAILABLE, 'etcdserver: request timed out']);
    expect(setup.stats.clientStreams).toBe(0);
  });

  test('ends after the hold when there is no endpoint', () => {
    const setup = new KeepAliveSetup();
    setup.setAvailable(false);
    const client = setup.client();
    client.renew(a);
    setup.clock.advance(holdMs - 500);
    expect(client.status).toBeNull();
    setup.clock.advance(1_000);
    expect([client.code, client.text]).toEqual([
      Code.UNAVAILABLE,
      'etcd-bulkhead: no connection to etcd, or it was lost',
    ]);
    setup.setAvailable(true);
    expect(setup.etcd.calls).toEqual([]);
  });

  test('ends with the status of etcd if there was one', () => {
    const setup = new KeepAliveSetup();
    setup.etcd.onCall = (call) => call.fail(Code.UNAVAILABLE, 'etcdserver: leader changed');
    const client = setup.client();
    client.renew(a);
    setup.clock.advance(requestTimeoutMs + 500);
    expect(client.text).toBe('etcdserver: leader changed');
  });
});

describe('an end with OK', () => {
  test('is not reported to a client that waits too long', () => {
    const setup = new KeepAliveSetup();
    setup.etcd.onCall = (call) => call.end(ok);
    const client = setup.client();
    client.renew(a);
    setup.clock.advance(requestTimeoutMs + 500);
    expect([client.code, client.text]).toEqual([
      Code.UNAVAILABLE,
      'etcd-bulkhead: no connection to etcd, or it was lost',
    ]);
  });
});

describe('an error of etcd', () => {
  test('of a leader that cannot confirm its leadership ends no client, and is retried', () => {
    const { setup, clients, stream } = threeInFlight();
    stream.fail(Code.UNKNOWN, 'not a primary lessor');
    expect(clients.map(({ status: ended }) => ended)).toEqual([null, null, null]);
    expect(setup.open).toHaveLength(0);
    setup.clock.advance(100);
    for (const id of [a, b, c]) respond(setup.etcd.last, id);
    expect(clients.map(({ received }) => received.length)).toEqual([1, 1, 1]);
  });

  test('ends the streams of the lease that it is about, and no others', () => {
    const { setup, clients, stream, first } = threeInFlight();
    first.renew(a);
    respond(stream, a);
    const [, , third] = clients;
    stream.fail(Code.PERMISSION_DENIED, 'etcdserver: permission denied');
    expect(clients.map(({ code }) => code)).toEqual([undefined, Code.PERMISSION_DENIED, undefined]);
    // Without a backoff: the member is well.
    expect(setup.open).toHaveLength(1);
    expect(sentOn(setup.etcd.last)).toEqual([c]);
    respond(setup.etcd.last, c);
    expect(third.received).toEqual([`${c}:60`]);
    respond(setup.etcd.last, a);
    expect(first.received).toEqual([`${lease(0)}:60`, `${a}:60`]);
  });

  test('comes after the responses to earlier requests of the stream', () => {
    const setup = new KeepAliveSetup({ streamsMax: 2 });
    const client = setup.client();
    client.renew(a, b);
    const [first, second] = setup.open;
    if (first === undefined || second === undefined) throw new Error('one stream');
    second.fail(Code.PERMISSION_DENIED, 'etcdserver: permission denied');
    expect(client.status).toBeNull();
    respond(first, a);
    expect(client.received).toEqual([`${a}:60`]);
    expect(client.code).toBe(Code.PERMISSION_DENIED);
  });

  test('"no leader" ends every stream that requires a leader, also idle ones, and no other', () => {
    const setup = new KeepAliveSetup();
    const metadata = ['hasleader', 'true'];
    const [one, idle, other] = [
      setup.client({ metadata }),
      setup.client({ metadata }),
      setup.client(),
    ];
    one.renew(a);
    const requiring = setup.etcd.last;
    other.renew(b);
    respond(requiring, a);
    requiring.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    for (const client of [one, idle]) {
      expect([client.code, client.text]).toEqual([Code.UNAVAILABLE, 'etcdserver: no leader']);
    }
    expect(other.status).toBeNull();
  });

  test('"no leader" ends a stream that requires a leader, also before its first request', () => {
    const setup = new KeepAliveSetup();
    const [requiring, other] = [setup.client({ metadata: ['hasleader', 'true'] }), setup.client()];
    setup.clock.advance(keepAliveLimits.tickMs);
    expect(setup.open).toHaveLength(1);
    setup.etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    expect([requiring.code, requiring.text]).toEqual([Code.UNAVAILABLE, 'etcdserver: no leader']);
    expect(other.status).toBeNull();
    setup.clock.advance(10_000);
    expect(setup.open).toHaveLength(0);
  });

  test('leaves a client that requires a leader alone while the other members elect one', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client({ metadata: ['hasleader', 'true'] });
    client.renew(a);
    respond(setup.etcd.last, a);
    setup.etcd.last.end(lost);
    setup.etcd.onCall = (call) => call.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    setup.clock.advance(3_000);
    expect(client.status).toBeNull();
    // An etcd that has no leader for longer ends the streams that require one.
    setup.clock.advance(keepAliveLimits.sparePauseMs);
    expect(client.text).toBe('etcdserver: no leader');
  });

  test('leaves an idle client that requires a leader alone when a stream has stalled in an election', () => {
    const setup = new KeepAliveSetup();
    const metadata = ['hasleader', 'true'];
    const [renewing, idle] = [setup.client({ metadata }), setup.client({ metadata })];
    renewing.renew(a);
    respond(setup.etcd.last, a);
    renewing.renew(a);
    renewing.requests?.cancel();
    setup.etcd.onCall = (call) => call.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    setup.clock.advance(keepAliveLimits.stallMsMin + 3_000);
    expect(setup.open).toHaveLength(0);
    expect(idle.status).toBeNull();
  });

  test('"no leader" ends no stream that does not require one, and is retried', () => {
    const setup = new KeepAliveSetup();
    const [waiting, idle] = [setup.client(), setup.client()];
    waiting.renew(a);
    setup.etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    expect([waiting.status, idle.status]).toEqual([null, null]);
    setup.clock.advance(100);
    respond(setup.etcd.last, a);
    expect(waiting.received).toEqual([`${a}:60`]);
    setup.etcd.onCall = (call) => call.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    setup.etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    waiting.renew(b);
    setup.clock.advance(requestTimeoutMs + 500);
    expect([waiting.text, idle.status]).toEqual(['etcdserver: no leader', null]);
  });

  test('"no leader" of one member concerns no client while another member renews', () => {
    const setup = new KeepAliveSetup();
    const metadata = ['hasleader', 'true'];
    const client = setup.client({ metadata });
    client.renew(a, b);
    const [first, second] = setup.open;
    if (first === undefined || second === undefined) throw new Error('one stream');
    respond(second, b);
    first.fail(Code.UNAVAILABLE, 'etcdserver: no leader');
    respond(second, a);
    expect(client.received).toEqual([`${a}:60`, `${b}:60`]);
    expect(client.status).toBeNull();
  });

  test.each([
    [status(Code.UNAVAILABLE, 'x', 'lost'), 'lost'],
    [status(Code.INTERNAL, 'x', 'lost'), 'lost'],
    [status(Code.UNAVAILABLE, 'etcdserver: server stopped', 'peer'), 'lost'],
    [status(Code.UNAVAILABLE, 'etcdserver: request timed out', 'peer'), 'lost'],
    [status(Code.UNAVAILABLE, 'etcdserver: no leader', 'peer'), 'no-leader'],
    [status(Code.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'peer'), 'renewal'],
    [status(Code.PERMISSION_DENIED, 'etcdserver: permission denied', 'peer'), 'renewal'],
    [status(Code.UNKNOWN, 'etcdserver: too many requests', 'peer'), 'renewal'],
    [status(Code.OK, '', 'peer'), 'lost'],
    [status(Code.UNKNOWN, 'not a primary lessor', 'peer'), 'lost'],
    [status(Code.FAILED_PRECONDITION, 'etcdserver: rpc not supported for learner', 'peer'), 'lost'],
  ])('%o is %s', (ended, expected) => {
    expect(classifyStreamEnd(ended)).toBe(expected);
  });
});

test('a bug below is reported, and its stream counts as lost', () => {
  const setup = new KeepAliveSetup();
  const client = setup.client();
  client.renew(a);
  const bug = new Error('a bug');
  setup.etcd.last.call.fault(bug);
  expect(setup.faults).toEqual([bug]);
  setup.clock.advance(100);
  respond(setup.etcd.last, a);
  expect(client.received).toEqual([`${a}:60`]);
});

test('close ends every stream and timer', () => {
  const { setup } = threeInFlight();
  setup.keepAlives.close();
  expect(setup.open).toHaveLength(0);
});
