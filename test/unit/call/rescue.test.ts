import { describe, expect, test } from 'vitest';
import type { Call, Etcd, OwnedMessage } from '../../../src/call/call.ts';
import { type RefusalName, refusal } from '../../../src/call/refusals.ts';
import { rescue } from '../../../src/call/rescue.ts';
import { ok } from '../../../src/grpc/status.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

const put = 'etcdserverpb.KV/Put';
const watch = 'etcdserverpb.Watch/Watch';
const bug = new Error('a bug');

function throwBug(): never {
  throw bug;
}

function rescued(below: Etcd<'client'>) {
  const faults: [Call, unknown][] = [];
  const rejected: [Call, RefusalName][] = [];
  const layer = rescue({
    onFault: (call, error) => void faults.push([call, error]),
    onRejected: (call, reason) => void rejected.push([call, reason]),
  });
  return { etcd: onBytes(layer(below)), faults, rejected };
}

describe('rescue', () => {
  test('an error while a call is started ends that call, with one report', () => {
    const { etcd, faults } = rescued({ unary: throwBug, stream: throwBug });
    const [unary, stream] = [callOf(put), callOf(watch)];
    const [first, second] = [new Caller(), new Caller()];
    etcd.unary(unary, Buffer.from('x'), first).cancel();
    const requests = etcd.stream(stream, second);
    requests.send(Buffer.from('x'));
    requests.halfClose();
    expect(first.status).toBe(refusal('proxy-fault'));
    expect(second.status).toBe(refusal('proxy-fault'));
    expect(faults).toEqual([
      [unary, bug],
      [stream, bug],
    ]);
  });

  test.each(['send', 'halfClose', 'pauseResponses', 'resumeResponses'] as const)(
    'an error in %s of a stream ends that stream and cancels it below',
    (way) => {
      const below = new FakeEtcd<'client'>();
      const { etcd, faults } = rescued(below);
      const above = new Caller();
      const requests = etcd.stream(callOf(watch), above);
      below.last[way] = throwBug;
      if (way === 'send') requests.send(Buffer.from('x'));
      else requests[way]();
      expect(above.status).toBe(refusal('proxy-fault'));
      expect(below.last.isCancelled).toBe(true);
      expect(faults).toHaveLength(1);
    },
  );

  test('an error that is caught below, on the response path, ends the call too', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd, faults } = rescued(below);
    const above = new Caller();
    const call = callOf(put);
    etcd.unary(call, Buffer.from('x'), above);
    call.fault(bug);
    expect(above.status).toBe(refusal('proxy-fault'));
    expect(below.last.isCancelled).toBe(true);
    expect(faults).toEqual([[call, bug]]);
  });

  test('responses after a fault are dropped', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd } = rescued(below);
    const above = new Caller();
    const call = callOf(watch);
    etcd.stream(call, above);
    call.fault(bug);
    const { responses } = below.last;
    responses.deliver(asOwned(Buffer.from('late')) as OwnedMessage<'client'>);
    responses.pauseRequests();
    responses.end(ok);
    expect(above.texts).toEqual([]);
    expect(above.isPaused).toBe(false);
    expect(above.status).toBe(refusal('proxy-fault'));
  });

  test('a fault after the end is reported and does not change the status', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd, faults } = rescued(below);
    const above = new Caller();
    const call = callOf(put);
    etcd.unary(call, Buffer.from('x'), above);
    below.last.end();
    call.fault(bug);
    expect(above.status).toBe(ok);
    expect(below.last.isCancelled).toBe(false);
    expect(faults).toHaveLength(1);
  });

  test('a fault while the call is still being started cancels what was started', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd } = rescued(below);
    const call = callOf(put);
    below.onCall = () => call.fault(bug);
    const above = new Caller();
    etcd.unary(call, Buffer.from('x'), above);
    expect(above.status).toBe(refusal('proxy-fault'));
    expect(below.last.isCancelled).toBe(true);
  });

  test('a layer that throws again while it is cancelled changes nothing', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd, faults } = rescued(below);
    const above = new Caller();
    const requests = etcd.stream(callOf(watch), above);
    below.last.send = throwBug;
    below.last.cancel = throwBug;
    requests.send(Buffer.from('x'));
    expect(above.status).toBe(refusal('proxy-fault'));
    expect(faults).toHaveLength(2);
  });

  test('a call counts as rejected once, if a fault ended it, and not if the fault came later', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd, faults, rejected } = rescued(below);
    const [bad, good] = [callOf(put), callOf(put)];
    etcd.unary(bad, Buffer.from('x'), new Caller());
    bad.fault(bug);
    bad.fault(bug);
    etcd.unary(good, Buffer.from('y'), new Caller());
    below.last.end();
    good.fault(bug);
    expect(faults).toHaveLength(3);
    expect(rejected).toEqual([[bad, 'proxy-fault']]);
  });

  test('other calls are not affected, and calls without faults pass unchanged', () => {
    const below = new FakeEtcd<'client'>();
    const { etcd, faults } = rescued(below);
    const [bad, good] = [callOf(put), callOf(put)];
    const [first, second] = [new Caller(), new Caller()];
    etcd.unary(bad, Buffer.from('x'), first);
    etcd.unary(good, Buffer.from('y'), second);
    bad.fault(bug);
    below.last.deliver('fine');
    below.last.end();
    expect(second.texts).toEqual(['fine']);
    expect(second.status).toBe(ok);
    expect(faults).toHaveLength(1);
  });

  test('a fault of a call without a fault handler is thrown', () => {
    expect(() => callOf(put).fault(bug)).toThrow(bug);
  });
});
