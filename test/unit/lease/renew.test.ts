import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { encodeRequest } from '../../support/codec.ts';
import { callOf } from '../../support/test-call.ts';
import { KeepAliveSetup, keepAliveMethod, lease, respond, sentOn } from './setup.ts';

const [a, b, c] = [lease(1), lease(2), lease(3)];

describe('a renewal', () => {
  test('is a real one, with the response of etcd', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a);
    expect(client.received).toEqual([]);
    expect(sentOn(setup.etcd.last)).toEqual([a]);
    respond(setup.etcd.last, a, 17);
    expect(client.received).toEqual([`${a}:17`]);
    expect(client.status).toBeNull();
  });

  test('of an unknown lease passes with TTL 0, and the stream stays open', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew('0', a);
    for (const [id, ttl] of [
      ['0', 0],
      [a, 0],
    ] as const) {
      const stream = setup.open.find((each) => sentOn(each).includes(id));
      if (stream !== undefined) respond(stream, id, ttl);
    }
    expect(client.received).toEqual(['0:0', `${a}:0`]);
    expect(client.status).toBeNull();
  });

  test('is shared by the requests for a lease that have not been sent', () => {
    const setup = new KeepAliveSetup({ streamsMax: 1 });
    const [one, two, three] = [setup.client(), setup.client(), setup.client()];
    one.renew(a);
    // The stream takes one renewal until its first response, so these wait.
    two.renew(b);
    three.renew(b);
    respond(setup.etcd.last, a);
    expect(sentOn(setup.etcd.last)).toEqual([a, b]);
    respond(setup.etcd.last, b, 9);
    expect(two.received).toEqual([`${b}:9`]);
    expect(three.received).toEqual([`${b}:9`]);
    // Both have the same bytes, so neither may own them.
    expect(two.sharedTails[0]).toBe(three.sharedTails[0]);
    expect(setup.stats).toMatchObject({ requests: 3, renewals: 2 });
  });

  test('that is in flight is no response to a request that arrives meanwhile', () => {
    const setup = new KeepAliveSetup();
    const [one, two, three] = [setup.client(), setup.client(), setup.client()];
    one.renew(a);
    two.renew(a);
    three.renew(a);
    expect(sentOn(setup.etcd.last)).toEqual([a]);
    respond(setup.etcd.last, a, 1);
    expect([one.received, two.received]).toEqual([[`${a}:1`], []]);
    expect(sentOn(setup.etcd.last)).toEqual([a, a]);
    respond(setup.etcd.last, a, 2);
    expect([two.received, three.received]).toEqual([[`${a}:2`], [`${a}:2`]]);
  });

  test('is not sent for a client that has left', () => {
    const setup = new KeepAliveSetup({ streamsMax: 1 });
    const [one, two, three] = [setup.client(), setup.client(), setup.client()];
    one.renew(a);
    two.renew(b);
    three.renew(c);
    two.requests?.cancel();
    respond(setup.etcd.last, a);
    expect(sentOn(setup.etcd.last)).toEqual([a, c]);
  });

  test('is still sent for the other clients of its lease', () => {
    const setup = new KeepAliveSetup({ streamsMax: 1 });
    const [one, two, three] = [setup.client(), setup.client(), setup.client()];
    one.renew(a);
    two.renew(b);
    three.renew(b);
    two.requests?.cancel();
    respond(setup.etcd.last, a);
    respond(setup.etcd.last, b);
    expect(three.received).toEqual([`${b}:60`]);
  });

  test('does not leave the hold of the guard for a client that has left', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a);
    client.requests?.cancel();
    expect(setup.etcd.last.isCancelled).toBe(true);
  });

  test('is not made without a request', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a);
    respond(setup.etcd.last, a);
    setup.clock.advance(200_000);
    expect(setup.stats.renewals).toBe(1);
    expect(client.status).toBeNull();
  });
});

describe('a client stream', () => {
  test('has its responses in the order of its requests', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a, b);
    const [first, second] = setup.open;
    if (first === undefined || second === undefined) throw new Error('one stream');
    respond(second, b);
    expect(client.received).toEqual([]);
    respond(first, a);
    expect(client.received).toEqual([`${a}:60`, `${b}:60`]);
  });

  test('gets the responses to requests that it has sent together in one go', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a, b);
    const [first, second] = setup.open;
    if (first === undefined || second === undefined) throw new Error('one stream');
    respond(first, a);
    expect(client.received).toEqual([]);
    respond(second, b);
    expect(client.received).toEqual([`${a}:60`, `${b}:60`]);
  });

  test('does not wait for a late response before it gets the others', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a, b, c);
    const [first, second, third] = setup.open;
    if (first === undefined || second === undefined) throw new Error('one stream');
    respond(first, a);
    setup.clock.advance(5);
    respond(second, b);
    expect(client.received).toEqual([]);
    setup.clock.advance(5);
    expect(client.received).toEqual([`${a}:60`, `${b}:60`]);
    setup.clock.advance(100);
    if (third !== undefined) respond(third, c);
    expect(client.received).toEqual([`${a}:60`, `${b}:60`, `${c}:60`]);
  });

  test('that reaches its deadline gets the responses that have arrived', () => {
    const setup = new KeepAliveSetup({ gatherMs: 1_000 });
    const client = setup.client({ deadlineMs: setup.clock.nowMs() + 100 });
    client.renew(a, b);
    const [first] = setup.open;
    if (first !== undefined) respond(first, a);
    expect(client.received).toEqual([]);
    setup.clock.advance(200);
    expect(client.received).toEqual([`${a}:60`]);
    expect(client.code).toBe(Code.DEADLINE_EXCEEDED);
  });

  test('that leaves while a response waits for another one gets none', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a, b);
    const [first] = setup.open;
    if (first !== undefined) respond(first, a);
    client.requests?.cancel();
    setup.clock.advance(1_000);
    expect(client.received).toEqual([]);
    expect(setup.faults).toEqual([]);
  });

  test('gets its remaining responses after it has half-closed, then OK', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a, a);
    client.requests?.halfClose();
    respond(setup.etcd.last, a);
    expect(client.status).toBeNull();
    respond(setup.etcd.last, a);
    expect(client.received).toHaveLength(2);
    expect(client.isOk).toBe(true);
    expect(setup.stats.clientStreams).toBe(0);
  });

  test('ends with OK at once when it half-closes without a request', () => {
    const client = new KeepAliveSetup().client();
    client.requests?.halfClose();
    expect(client.isOk).toBe(true);
  });

  test('is paused at its limit of requests, and resumed at half of it', () => {
    const setup = new KeepAliveSetup({ requestsPerClientMax: 4, streamsMax: 1 });
    const client = setup.client();
    client.renew(a, b, c);
    expect(client.isPaused).toBe(false);
    client.renew(lease(4));
    expect(client.isPaused).toBe(true);
    respond(setup.etcd.last, a);
    respond(setup.etcd.last, b);
    expect(client.isPaused).toBe(true);
    respond(setup.etcd.last, c);
    expect(client.isPaused).toBe(false);
  });

  test('ends with a request that is too large to be kept, and the others continue', () => {
    const setup = new KeepAliveSetup();
    const [client, other] = [setup.client(), setup.client()];
    other.renew(a);
    const ofOther = setup.etcd.last;
    // A field that the proxy does not know.
    const padding = (bytes: number) => new Writer().bytes(15, Buffer.alloc(bytes)).finish();
    const request = encodeRequest(keepAliveMethod, { ID: b });
    client.requests?.send(Buffer.concat([request, padding(1_000)]));
    expect(client.status).toBeNull();
    client.requests?.send(Buffer.concat([request, padding(1_024)]));
    expect(client.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(client.status?.trailers).toContain('renewal-limit');
    respond(ofOther, a);
    expect(other.received).toEqual([`${a}:60`]);
    expect(setup.stats.clientStreams).toBe(1);
  });

  test('gets the responses that have arrived before it ends with a request that is too large', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a, b);
    const [first] = setup.open;
    if (first !== undefined) respond(first, a);
    client.requests?.send(Buffer.alloc(2_000));
    expect(client.received).toEqual([`${a}:60`]);
    expect(client.status?.trailers).toContain('renewal-limit');
  });

  test('that applies backpressure gets its responses later, and counts them as outstanding', () => {
    const setup = new KeepAliveSetup({ requestsPerClientMax: 2 });
    const client = setup.client();
    client.requests?.pauseResponses();
    client.renew(a, a);
    respond(setup.etcd.last, a);
    respond(setup.etcd.last, a);
    client.requests?.halfClose();
    expect([client.received.length, client.isPaused, client.status]).toEqual([0, true, null]);
    client.requests?.resumeResponses();
    expect([client.received.length, client.isOk]).toEqual([2, true]);
  });

  test('ends at its deadline', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client({ deadlineMs: 1_000 });
    client.renew(a);
    setup.clock.advance(1_100);
    expect(client.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(setup.client({ deadlineMs: 1 }).code).toBe(Code.DEADLINE_EXCEEDED);
  });

  test('that throws has a fault of its own, and the others get their responses', () => {
    const setup = new KeepAliveSetup({ streamsMax: 1 });
    const faults: unknown[] = [];
    const bug = new Error('a bug');
    const [first, faulty, other] = [setup.client(), setup.client(), setup.client()];
    faulty.onMessage = () => {
      throw bug;
    };
    faulty.call.faultHandler = { onFault: (error) => void faults.push(error) };
    first.renew(a);
    faulty.renew(b);
    other.renew(b);
    respond(setup.etcd.last, a);
    respond(setup.etcd.last, b);
    expect(faults).toEqual([bug]);
    expect(other.received).toEqual([`${b}:60`]);
    expect(setup.faults).toEqual([]);
  });
});

describe('upstream streams', () => {
  test('are three at most, and renewals are spread over them', () => {
    const setup = new KeepAliveSetup();
    const clients = Array.from({ length: 100 }, () => setup.client());
    for (const [i, client] of clients.entries()) client.renew(lease(i));
    expect(setup.open).toHaveLength(3);
    let renewed = 0;
    while (renewed < 100) {
      for (const stream of setup.open) {
        const id = sentOn(stream)[renewalsOf(stream)];
        if (id === undefined) continue;
        responded.set(stream, renewalsOf(stream) + 1);
        respond(stream, id);
        renewed += 1;
      }
    }
    expect(clients.every(({ received }) => received.length === 1)).toBe(true);
    for (const stream of setup.open) expect(sentOn(stream).length).toBeGreaterThan(20);
  });

  test('take few renewals ahead of their responses', () => {
    const setup = new KeepAliveSetup({ streamsMax: 1, renewalsPerStreamMax: 2 });
    const client = setup.client();
    client.renew(a, b, c, lease(4));
    expect(sentOn(setup.etcd.last)).toEqual([a]);
    respond(setup.etcd.last, a);
    expect(sentOn(setup.etcd.last)).toEqual([a, b, c]);
  });

  test('that apply backpressure take nothing', () => {
    const setup = new KeepAliveSetup({ streamsMax: 1 });
    const client = setup.client();
    client.renew(a);
    respond(setup.etcd.last, a);
    setup.etcd.last.pauseRequests();
    client.renew(b);
    expect(sentOn(setup.etcd.last)).toEqual([a]);
    setup.etcd.last.resumeRequests();
    expect(sentOn(setup.etcd.last)).toEqual([a, b]);
  });

  test('of clients that require a leader are separate', () => {
    const setup = new KeepAliveSetup();
    setup.client({ metadata: ['hasleader', 'true'] }).renew(a);
    expect(setup.etcd.last.call.metadata).toEqual(['hasleader', 'true']);
    setup.client({ metadata: ['client-api-version', '3.5.0'] }).renew(a);
    expect(setup.etcd.last.call.metadata).toEqual([]);
    expect(setup.open).toHaveLength(2);
  });

  test('carry nothing of a client: no tenant, no credentials, no deadline', () => {
    const setup = new KeepAliveSetup();
    setup.client({ metadata: ['token', 'secret'], deadlineMs: 9_000 }).renew(a);
    expect(setup.etcd.last.call).toMatchObject({
      tenant: null,
      metadata: [],
      deadlineMs: Infinity,
    });
    expect(setup.etcd.last.call.peer.listener).toBe('');
  });

  test('are closed when there has been no client for a while', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a);
    respond(setup.etcd.last, a);
    client.requests?.cancel();
    setup.clock.advance(5_000);
    expect(setup.open).toHaveLength(1);
    setup.clock.advance(10_000);
    expect(setup.open).toHaveLength(0);
    expect(setup.stats).toMatchObject({ clientStreams: 0, upstreamStreams: 0 });
    expect(setup.clock.pendingTimers).toBe(0);
  });

  test('are replaced when they are old, so that every member gets its share again', () => {
    const setup = new KeepAliveSetup();
    const client = setup.client();
    client.renew(a);
    respond(setup.etcd.last, a);
    setup.clock.advance(299_000);
    client.renew(a);
    setup.clock.advance(1_500);
    respond(setup.etcd.last, a);
    expect(setup.open).toHaveLength(0);
    client.renew(a);
    expect(setup.open).toHaveLength(1);
    respond(setup.etcd.last, a);
    expect(client.received).toHaveLength(3);
  });

  test('are more while etcd is slow, and few again afterwards', () => {
    const setup = new KeepAliveSetup({ slowStreamsMax: 6, renewalsPerStreamMax: 1 });
    const client = setup.client();
    client.renew(...Array.from({ length: 40 }, (_, i) => lease(i)));
    for (let i = 0; i < 3; i += 1) {
      setup.clock.advance(1_000);
      respondOnEach(setup);
    }
    expect(setup.open).toHaveLength(6);
    while (client.received.length < 40) respondOnEach(setup);
    setup.clock.advance(30_000);
    expect(setup.open).toHaveLength(3);
  });

  test('are few again for both kinds of clients together, and at least one for each', () => {
    const setup = new KeepAliveSetup({ slowStreamsMax: 3, renewalsPerStreamMax: 1 });
    const clients = [setup.client(), setup.client({ metadata: ['hasleader', 'true'] })];
    for (const client of clients) client.renew(...Array.from({ length: 40 }, (_, i) => lease(i)));
    for (let i = 0; i < 3; i += 1) {
      setup.clock.advance(1_000);
      respondOnEach(setup);
    }
    expect(setup.open).toHaveLength(6);
    while (clients.some(({ received }) => received.length < 40)) respondOnEach(setup);
    setup.clock.advance(30_000);
    const requiring = setup.open.filter(({ call }) => call.metadata.length > 0);
    expect(setup.open).toHaveLength(3);
    expect([1, 2]).toContain(requiring.length);
  });
});

/** Responds to the oldest renewal of each open stream. */
function respondOnEach({ open }: KeepAliveSetup): void {
  for (const stream of open) {
    const id = sentOn(stream)[renewalsOf(stream)];
    if (id === undefined) continue;
    responded.set(stream, renewalsOf(stream) + 1);
    respond(stream, id);
  }
}

const responded = new Map<object, number>();
const renewalsOf = (stream: object): number => responded.get(stream) ?? 0;

test('a stream with credentials of its client is not shared', () => {
  const setup = new KeepAliveSetup({}, false);
  const client = setup.client({ metadata: ['token', 'own'] });
  client.renew(a);
  expect(setup.etcd.last.call.metadata).toEqual(['token', 'own']);
  expect(setup.stats.clientStreams).toBe(0);
});

test('other methods pass', () => {
  const setup = new KeepAliveSetup();
  const client = setup.client();
  setup.layer.unary(callOf('etcdserverpb.KV/Put'), Buffer.from('x'), client);
  expect(setup.etcd.last.call.method.rpc).toBe('Put');
});
