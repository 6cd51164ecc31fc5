import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { health } from '../../../src/lifecycle/health.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, onBytes } from '../../support/test-call.ts';

const SERVING = [8, 1];
const NOT_SERVING = [8, 2];
const SERVICE_UNKNOWN = [8, 3];

const check = () => callOf('grpc.health.v1.Health/Check');
const watch = () => callOf('grpc.health.v1.Health/Watch');
const wholeServer = Buffer.alloc(0);
const named = (service: string) => Buffer.from([10, service.length, ...Buffer.from(service)]);

function setup() {
  const lifecycle = new Lifecycle();
  const etcd = new FakeEtcd<'client'>();
  const top = onBytes(health(lifecycle)(etcd));
  lifecycle.move('serving');
  return { lifecycle, etcd, top, reply: new Caller() };
}

const heard = (reply: Caller) => reply.messages.map((bytes) => [...bytes]);

describe('Check', () => {
  test('returns SERVING until the process drains, without a call to etcd', () => {
    const { lifecycle, etcd, top } = setup();
    const before = new Caller();
    top.unary(check(), wholeServer, before);
    expect(heard(before)).toEqual([SERVING]);
    expect(before.isOk).toBe(true);

    lifecycle.move('draining');
    const after = new Caller();
    top.unary(check(), wholeServer, after);
    expect(heard(after)).toEqual([NOT_SERVING]);
    expect(etcd.calls).toEqual([]);
  });

  test('of an unknown service ends with NotFound', () => {
    const { top, reply } = setup();
    top.unary(check(), named('etcdserverpb.KV'), reply);
    expect(reply.status).toMatchObject({ code: Code.NOT_FOUND, text: 'unknown service' });
  });

  test('that is not protobuf is rejected', () => {
    const { top, reply } = setup();
    top.unary(check(), Buffer.from([10, 200]), reply);
    expect(reply.code).toBe(Code.INTERNAL);
  });
});

describe('Watch', () => {
  test('reports the state immediately and each change, and ends when the process stops', () => {
    const { lifecycle, top, reply } = setup();
    const requests = top.stream(watch(), reply);
    expect(heard(reply)).toEqual([]);
    requests.send(wholeServer);
    requests.halfClose();
    expect(heard(reply)).toEqual([SERVING]);
    lifecycle.move('draining');
    expect(heard(reply)).toEqual([SERVING, NOT_SERVING]);
    lifecycle.move('stopping');
    expect(reply.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcdserver: server stopped',
    });
  });

  test('of an unknown service reports that and stays open', () => {
    const { lifecycle, top, reply } = setup();
    top.stream(watch(), reply).send(named('unknown'));
    lifecycle.move('draining');
    expect(heard(reply)).toEqual([SERVICE_UNKNOWN]);
    expect(reply.status).toBeNull();
  });

  test('reports nothing after its client has cancelled', () => {
    const { lifecycle, top, reply } = setup();
    const requests = top.stream(watch(), reply);
    requests.send(wholeServer);
    requests.cancel();
    lifecycle.move('draining');
    lifecycle.move('stopping');
    expect(heard(reply)).toEqual([SERVING]);
    expect(reply.status).toBeNull();
  });

  test('without a request ends when the process stops', () => {
    const { lifecycle, top, reply } = setup();
    top.stream(watch(), reply);
    lifecycle.move('stopping');
    expect(reply.code).toBe(Code.UNAVAILABLE);
  });

  test('takes one request', () => {
    const { top, reply } = setup();
    const requests = top.stream(watch(), reply);
    requests.send(wholeServer);
    requests.send(wholeServer);
    expect(heard(reply)).toEqual([SERVING]);
  });
});

test('all other calls pass', () => {
  const { etcd, top, reply } = setup();
  top.unary(callOf('etcdserverpb.KV/Range'), wholeServer, reply);
  top.stream(callOf('etcdserverpb.Watch/Watch'), reply);
  expect(etcd.calls.map((each) => each.call.method.rpc)).toEqual(['Range', 'Watch']);
});
