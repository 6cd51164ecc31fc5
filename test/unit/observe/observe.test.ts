import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import { method } from '../../../src/etcd/methods.ts';
import { Code } from '../../../src/grpc/status.ts';
import { CallCounters } from '../../../src/observe/call-counters.ts';
import type { CallEvents, CallRecord } from '../../../src/observe/events.ts';
import { noCallEvents } from '../../../src/observe/events.ts';
import { observe } from '../../../src/observe/observe.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const tenant = testTenant();
const put = () => callOf('etcdserverpb.KV/Put', { tenant });
const watch = () => callOf('etcdserverpb.Watch/Watch', { tenant });

/** The layer over a fake etcd, with everything it tells written down. */
function setup() {
  const clock = new ManualClock();
  const counters = new CallCounters();
  const etcd = new FakeEtcd<'tenant'>();
  const told: string[] = [];
  const records: CallRecord[] = [];
  const events: CallEvents = {
    opened: ({ call }) => told.push(`opened ${call.method.rpc}`),
    ended: (record) => {
      told.push(`ended ${record.call.method.rpc} ${record.code}`);
      records.push(record);
    },
    refused: (record, reason) => told.push(`refused ${record.call.method.rpc} ${reason}`),
  };
  const top = onBytes(observe({ clock, counters, events, keyOf: null })(etcd));
  return { clock, counters, etcd, told, records, top, reply: new Caller() };
}

describe('a unary call', () => {
  test('is recorded with its sizes, its duration and its code, and passes unchanged', () => {
    const { clock, etcd, records, told, top, reply } = setup();
    const request = Buffer.from('request');
    const answer = Buffer.from('the answer');
    top.unary(put(), request, reply);
    clock.advance(12.5);
    etcd.last.respond(answer);

    expect(etcd.last.request).toBe(request);
    expect(reply.messages[0]).toBe(answer);
    expect(reply.isOk).toBe(true);
    expect(told).toEqual(['ended Put 0']);
    expect(records[0]).toMatchObject({
      durationMs: 12.5,
      code: Code.OK,
      requestMessages: 1,
      requestBytes: 7,
      responseMessages: 1,
      responseBytes: 10,
      isCancelled: false,
      key: '',
    });
  });

  test('that is answered before it has been started is recorded all the same', () => {
    const { etcd, told, top, reply } = setup();
    etcd.onCall = (call) => call.respond(Buffer.from('a'));
    top.unary(put(), Buffer.from('r'), reply).cancel();
    expect(told).toEqual(['ended Put 0']);
  });

  test('that its client gives up is cancelled below and recorded once', () => {
    const { etcd, records, told, top, reply } = setup();
    const call = top.unary(put(), Buffer.from('r'), reply);
    call.cancel();
    call.cancel();
    expect(etcd.last.isCancelled).toBe(true);
    expect(told).toEqual(['ended Put 1']);
    expect(records[0]?.isCancelled).toBe(true);
  });

  test('that we refuse is told as a refusal; an error of etcd is not one', () => {
    const { counters, etcd, told, top } = setup();
    top.unary(put(), Buffer.from('r'), new Caller());
    etcd.last.end(refusal('breaker-open'));
    top.unary(put(), Buffer.from('r'), new Caller());
    etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: unhealthy cluster');
    expect(told).toEqual(['refused Put breaker-open', 'ended Put 14', 'ended Put 14']);
    expect([...counters.refusals]).toEqual([['breaker-open', 1]]);
  });

  test('shows its key only to those who may see keys', () => {
    const { clock, counters, etcd, reply } = setup();
    const keys: string[] = [];
    const events = { ...noCallEvents, ended: (record: CallRecord) => keys.push(record.key) };
    const keyOf = () => 'map';
    const top = onBytes(observe({ clock, counters, events, keyOf })(etcd));
    top.unary(put(), Buffer.from('r'), reply);
    etcd.last.respond(Buffer.from('a'));
    expect(keys).toEqual(['map']);
  });
});

describe('a stream', () => {
  test('is told when it opens and when it closes, with what went both ways', () => {
    const { clock, counters, etcd, records, told, top, reply } = setup();
    const requests = top.stream(watch(), reply);
    requests.send(Buffer.from('create'));
    expect(told).toEqual(['opened Watch']);
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

  test('is slowed down in both directions by those who are slow', () => {
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
