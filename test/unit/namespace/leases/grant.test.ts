import { describe, expect, test } from 'vitest';
import { Code } from '../../../../src/grpc/status.ts';
import { grantDrawsMax } from '../../../../src/namespace/leases/grant.ts';
import type { EtcdCall } from '../../../support/fake-etcd.ts';
import { answerOf, encodeResponse, header, Setup } from '../setup.ts';

const name = 'etcdserverpb.Lease/LeaseGrant';
const max = 2 ** 31 - 1;

const stored = (setup: Setup, visible: number) =>
  String(setup.tenant.keySpace.leases.stored(visible));
const taken = (call: EtcdCall<'store'>) =>
  call.fail(Code.FAILED_PRECONDITION, 'etcdserver: lease already exists');

describe('a lease without an ID of its own', () => {
  test('gets one that the proxy draws, and the client sees it without the namespace', () => {
    const setup = new Setup();
    setup.drawn.push(77);
    const { heard } = setup.unary(name, { TTL: 60 });
    expect(setup.stored(name)).toEqual({ TTL: '60', ID: stored(setup, 77) });
    setup.etcd.last.respond(encodeResponse(name, { header, ID: stored(setup, 77), TTL: 60 }));
    expect(answerOf(name, heard)).toMatchObject({ ID: '77', TTL: '60', header });
  });

  test('gets another one when the first is in use, without the client noticing', () => {
    const setup = new Setup();
    setup.drawn.push(77, 78, 79);
    const { heard } = setup.unary(name, { TTL: 60 });
    taken(setup.etcd.last);
    taken(setup.etcd.last);
    expect(heard.status).toBeNull();
    expect(setup.stored(name).ID).toBe(stored(setup, 79));
    setup.etcd.last.respond(encodeResponse(name, { header, ID: stored(setup, 79), TTL: 60 }));
    expect(answerOf(name, heard).ID).toBe('79');
  });

  test('two grants that race for one ID both end with a lease', () => {
    const setup = new Setup();
    setup.drawn.push(77, 77, 78);
    const first = setup.unary(name, { TTL: 60 });
    const second = setup.unary(name, { TTL: 60 });
    const [a, b] = setup.etcd.calls;
    taken(b as EtcdCall<'store'>);
    a?.respond(encodeResponse(name, { header, ID: stored(setup, 77) }));
    setup.etcd.last.respond(encodeResponse(name, { header, ID: stored(setup, 78) }));
    expect(answerOf(name, first.heard).ID).toBe('77');
    expect(answerOf(name, second.heard).ID).toBe('78');
  });

  test('gives up after a bounded number of draws', () => {
    const setup = new Setup();
    setup.etcd.onCall = taken;
    const { heard } = setup.unary(name, { TTL: 60 });
    expect(setup.etcd.calls).toHaveLength(grantDrawsMax);
    expect(heard.status).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      text: 'etcdserver: lease already exists',
      origin: 'proxy',
    });
  });

  test.each([
    [Code.UNAVAILABLE, 'etcdserver: request timed out'],
    [Code.FAILED_PRECONDITION, 'etcdserver: not leader'],
    [Code.UNKNOWN, 'etcdserver: lease already exists'],
    [Code.OUT_OF_RANGE, 'etcdserver: too large lease TTL'],
  ])('is not requested twice after %i %s', (code, text) => {
    const setup = new Setup();
    const { heard } = setup.unary(name, { TTL: 60 });
    setup.etcd.last.fail(code, text);
    expect(setup.etcd.calls).toHaveLength(1);
    expect(heard.status).toMatchObject({ code, text, origin: 'peer' });
  });

  test('is cancelled where it is, also on its second draw', () => {
    const setup = new Setup();
    const { ongoing } = setup.unary(name, { TTL: 60 });
    const [first] = setup.etcd.calls;
    taken(first as EtcdCall<'store'>);
    ongoing.pauseResponses();
    expect(setup.etcd.last.isPaused).toBe(true);
    ongoing.cancel();
    expect(setup.etcd.last.isCancelled).toBe(true);
    expect(first?.isCancelled).toBe(false);
  });

  test('is cancelled where it is when the first draw failed at once', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => {
      if (setup.etcd.calls.length === 1) taken(call);
    };
    const { ongoing } = setup.unary(name, { TTL: 60 });
    ongoing.cancel();
    expect(setup.etcd.calls.map((call) => call.isCancelled)).toEqual([false, true]);
  });
});

describe('a lease with an ID of its own', () => {
  test.each([1, 12345, max])('%i is granted within the namespace', (id) => {
    const setup = new Setup();
    const { heard } = setup.unary(name, { TTL: 60, ID: id });
    expect(setup.stored(name)).toEqual({ TTL: '60', ID: stored(setup, id) });
    setup.etcd.last.respond(encodeResponse(name, { header, ID: stored(setup, id), TTL: 60 }));
    expect(answerOf(name, heard).ID).toBe(String(id));
  });

  test('is rejected if the ID is in use, with the text of etcd', () => {
    const setup = new Setup();
    const { heard } = setup.unary(name, { TTL: 60, ID: 5 });
    taken(setup.etcd.last);
    expect(setup.etcd.calls).toHaveLength(1);
    expect(heard.status).toMatchObject({ origin: 'peer', code: Code.FAILED_PRECONDITION });
  });

  test.each(['-1', '2147483648', '9223372036854775807', '-9223372036854775808'])(
    '%s cannot carry the namespace and is refused',
    (id) => {
      const setup = new Setup();
      const { heard } = setup.unary(name, { TTL: 60, ID: id });
      expect(heard.status).toMatchObject({
        code: Code.INVALID_ARGUMENT,
        text: 'etcd-bulkhead: a lease ID must be between 1 and 2147483647',
      });
      expect(setup.etcd.calls).toEqual([]);
    },
  );

  test('is refused when it names two', () => {
    const setup = new Setup();
    const { heard } = setup.unaryBytes(name, Uint8Array.of(0x10, 1, 0x10, 2));
    expect(heard.code).toBe(Code.INVALID_ARGUMENT);
    expect(setup.etcd.calls).toEqual([]);
  });
});

test('the tenant that owns the cluster names leases as they are and lets etcd choose', () => {
  const setup = new Setup('');
  setup.unary(name, { TTL: 60 });
  expect(setup.stored(name).ID).toBe('0');
  setup.unary(name, { TTL: 60, ID: '7587866000000000000' });
  expect(setup.stored(name).ID).toBe('7587866000000000000');
});
