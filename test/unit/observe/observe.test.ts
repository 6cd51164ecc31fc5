import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import { Code } from '../../../src/grpc/status.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import type { CallEvents, CallRecord } from '../../../src/observe/events.ts';
import { observe } from '../../../src/observe/observe.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const tenant = testTenant();
const put = () => callOf('etcdserverpb.KV/Put', { tenant });
const watch = () => callOf('etcdserverpb.Watch/Watch', { tenant });

/** The layer above a fake etcd, and a record of all events. */
function setup() {
  const clock = new ManualClock();
  const counters = new CallCounters();
  const etcd = new FakeEtcd<'tenant'>();
  const events: string[] = [];
  const records: CallRecord[] = [];
  const messages: string[] = [];
  const hooks: CallEvents = {
    request: (_record, message) => messages.push(`> ${Buffer.from(message)}`),
    response: (_record, head, tail) => messages.push(`< ${Buffer.concat([head, tail])}`),
    opened: ({ call }) => events.push(`opened ${call.method.rpc}`),
    ended: (record) => {
      events.push(`ended ${record.call.method.rpc} ${record.code}`);
      records.push(record);
    },
    rejected: (record, reason) => events.push(`rejected ${record.call.method.rpc} ${reason}`),
  };
  const top = onBytes(observe({ clock, counters, events: hooks })(etcd));
  return { clock, counters, etcd, events, messages, records, top, reply: new Caller() };
}

describe('a unary call', () => {
  test('is recorded with its sizes, its duration and its code, and passes unchanged', () => {
    const { clock, etcd, records, events, top, reply } = setup();
    const request = Buffer.from('request');
    const response = Buffer.from('a response');
    top.unary(put(), request, reply);
    clock.advance(12.5);
    etcd.last.respond(response);

    expect(etcd.last.request).toBe(request);
    expect(reply.messages[0]).toBe(response);
    expect(reply.isOk).toBe(true);
    expect(events).toEqual(['ended Put 0']);
    expect(records[0]).toMatchObject({
      durationMs: 12.5,
      code: Code.OK,
      requestMessages: 1,
      requestBytes: 7,
      responseMessages: 1,
      responseBytes: 10,
      isCancelled: false,
    });
  });

  test('that ends while it is being started is recorded', () => {
    const { etcd, events, top, reply } = setup();
    etcd.onCall = (call) => call.respond(Buffer.from('a'));
    top.unary(put(), Buffer.from('r'), reply).cancel();
    expect(events).toEqual(['ended Put 0']);
  });

  test('that its client cancels is cancelled below and recorded once', () => {
    const { etcd, records, events, top, reply } = setup();
    const call = top.unary(put(), Buffer.from('r'), reply);
    call.cancel();
    call.cancel();
    expect(etcd.last.isCancelled).toBe(true);
    expect(events).toEqual(['ended Put 1']);
    expect(records[0]?.isCancelled).toBe(true);
  });

  test('that the proxy rejects is reported as a rejection, and an error of etcd is not', () => {
    const { counters, etcd, events, top } = setup();
    top.unary(put(), Buffer.from('r'), new Caller());
    etcd.last.end(refusal('breaker-open'));
    top.unary(put(), Buffer.from('r'), new Caller());
    etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: unhealthy cluster');
    expect(events).toEqual(['rejected Put breaker-open', 'ended Put 14', 'ended Put 14']);
    expect([...counters.rejections]).toEqual([['breaker-open', 1]]);
  });

  test('passes its messages to the hooks', () => {
    const { etcd, messages, top, reply } = setup();
    top.unary(put(), Buffer.from('request'), reply);
    etcd.last.respond(Buffer.from('response'));
    expect(messages).toEqual(['> request', '< response']);
  });
});

describe('the traffic of a tenant', () => {
  /** A tenant of its own, so that counts begin at zero. */
  function traffic() {
    const own = testTenant('counted');
    const parts = setup();
    const start = (name: MethodName = 'etcdserverpb.KV/Put') => {
      const handle = parts.top.unary(callOf(name, { tenant: own }), Buffer.from('r'), new Caller());
      return { ...parts.etcd.last, handle, call: parts.etcd.last };
    };
    return { ...parts, own, start, counts: () => own.state.traffic };
  }

  test('counts calls, errors, refusals and bytes, and no error of a call that its client cancels', () => {
    const { start, counts, own } = traffic();
    expect(own.state.hasTraffic).toBe(false);
    start().call.respond(Buffer.from('abc'));
    start().call.fail(Code.UNAVAILABLE, 'etcdserver: unhealthy cluster');
    start().call.end(refusal('breaker-open'));
    start().handle.cancel();
    expect(own.state.hasTraffic).toBe(true);
    expect(counts()).toMatchObject({
      ...{ calls: 4, errors: 2, refused: 1, requestBytes: 4, responseBytes: 3 },
    });
  });

  test('counts the bytes of a stream while it is open', () => {
    const { top, etcd, own, counts, reply } = traffic();
    const requests = top.stream(callOf('etcdserverpb.Watch/Watch', { tenant: own }), reply);
    requests.send(Buffer.from('create'));
    etcd.last.deliver(Buffer.from('one'));
    expect(counts()).toMatchObject({ calls: 1, requestBytes: 6, responseBytes: 3 });
  });

  test('has durations of calls at etcd and of timeouts, not of other refusals, locks and streams', () => {
    const { start, clock, counts, top, etcd, own, reply } = traffic();
    const ended: readonly (() => void)[] = [
      () => start().call.respond(Buffer.from('a')),
      () => start().call.fail(Code.NOT_FOUND, 'etcdserver: requested lease not found'),
      () => start().call.end(refusal('deadline-passed')),
      () => start().call.end(refusal('open-calls-limit')),
      () => start().handle.cancel(),
      () => start('v3lockpb.Lock/Lock').call.respond(Buffer.from('a')),
      () => {
        top.stream(callOf('etcdserverpb.Watch/Watch', { tenant: own }), reply);
        etcd.last.fail(Code.UNAVAILABLE, 'gone');
      },
    ];
    const recorded = ended.map((end) => {
      const before = sum(counts().durations.recent(clock.nowMs()));
      end();
      return sum(counts().durations.recent(clock.nowMs())) - before;
    });
    expect(recorded).toEqual([1, 1, 1, 0, 0, 0, 0]);
  });

  function sum(pairs: readonly number[]): number {
    return pairs.reduce((total, value, index) => total + (index % 2) * value, 0);
  }
});

describe('a stream', () => {
  test('passes each message to the hooks, also a shared one, and none after its end', () => {
    const { etcd, messages, top, reply } = setup();
    const requests = top.stream(watch(), reply);
    requests.send(Buffer.from('create'));
    etcd.last.deliverShared(Buffer.from('head '), Buffer.from('events') as never);
    requests.cancel();
    requests.send(Buffer.from('late'));
    expect(messages).toEqual(['> create', '< head events']);
  });

  test('is reported when it opens and when it closes, with the messages of both directions', () => {
    const { clock, counters, etcd, records, events, top, reply } = setup();
    const requests = top.stream(watch(), reply);
    requests.send(Buffer.from('create'));
    expect(events).toEqual(['opened Watch']);
    expect(counters.open(method('etcdserverpb.Watch/Watch'))).toBe(1);

    etcd.last.deliver(Buffer.from('one'));
    etcd.last.deliver(Buffer.from('two'));
    requests.halfClose();
    clock.advance(60_000);
    etcd.last.fail(Code.UNAVAILABLE, 'gone');

    expect(etcd.last.isHalfClosed).toBe(true);
    expect(reply.messages).toHaveLength(2);
    expect(records[0]).toMatchObject({
      durationMs: 60_000,
      text: 'gone',
      requestMessages: 1,
      requestBytes: 6,
      responseMessages: 2,
      responseBytes: 6,
    });
    expect(counters.open(method('etcdserverpb.Watch/Watch'))).toBe(0);
  });

  test('passes backpressure in both directions', () => {
    const { etcd, top, reply } = setup();
    const requests = top.stream(watch(), reply);
    requests.pauseResponses();
    expect(etcd.last.isPaused).toBe(true);
    requests.resumeResponses();
    expect(etcd.last.isPaused).toBe(false);
    etcd.last.pauseRequests();
    expect(reply.isPaused).toBe(true);
    etcd.last.resumeRequests();
    expect(reply.isPaused).toBe(false);
  });
});
