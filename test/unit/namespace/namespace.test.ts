import { describe, expect, test } from 'vitest';
import { method, ownerMethods } from '../../../src/etcd/methods.ts';
import { Code } from '../../../src/grpc/status.ts';
import { Caller } from '../../support/caller.ts';
import { callOf } from '../../support/test-call.ts';
import { answerOf, bytes, encodeResponse, header, Setup } from './setup.ts';

describe('requests of a tenant reach etcd within its namespace', () => {
  test('a key gets the prefix on the request path and loses it on the response path', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    expect(setup.stored('etcdserverpb.KV/Range').key).toEqual(bytes('t1/a'));

    const kvs = [{ key: bytes('t1/a'), value: bytes('v'), mod_revision: 5 }];
    setup.etcd.last.respond(encodeResponse('etcdserverpb.KV/Range', { header, kvs, count: 1 }));
    const answer = answerOf('etcdserverpb.KV/Range', heard);
    expect(answer.kvs[0]).toMatchObject({
      key: bytes('a'),
      value: bytes('v'),
      mod_revision: '5',
    });
    expect(answer.header).toEqual(header);
    expect(heard.isOk).toBe(true);
  });

  test('the end of the key space is the end of the namespace', () => {
    const setup = new Setup();
    setup.unary('etcdserverpb.KV/DeleteRange', { key: bytes('\0'), range_end: bytes('\0') });
    expect(setup.stored('etcdserverpb.KV/DeleteRange')).toMatchObject({
      key: bytes('t1/\0'),
      range_end: bytes('t10'),
    });
  });

  test('metadata, deadline and peer of a call arrive as they were', () => {
    const setup = new Setup();
    setup.unary('etcdserverpb.KV/Put', { key: bytes('a') }, ['token', 'x']);
    expect(setup.etcd.last.call.metadata).toEqual(['token', 'x']);
    expect(setup.etcd.last.call.peer.listener).toBe('main');
  });

  test('an empty key is refused before it could become the prefix itself', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Put', { value: bytes('v') });
    expect(heard.status).toMatchObject({
      code: Code.INVALID_ARGUMENT,
      text: 'etcdserver: key is not provided',
    });
    expect(setup.etcd.calls).toEqual([]);
  });

  test('bytes that are not a message are rejected, and nothing reaches etcd', () => {
    const setup = new Setup();
    const { heard } = setup.unaryBytes('etcdserverpb.KV/Txn', Uint8Array.of(0x0a, 0xff));
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.etcd.calls).toEqual([]);
  });

  test("etcd's refusal arrives with its own code and text", () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Put', { key: bytes('a'), lease: 9 });
    setup.etcd.last.fail(Code.NOT_FOUND, 'etcdserver: requested lease not found');
    expect(heard.status).toMatchObject({
      code: Code.NOT_FOUND,
      text: 'etcdserver: requested lease not found',
      origin: 'peer',
    });
  });

  test('cancel, pause and resume reach the call below', () => {
    const setup = new Setup();
    const { ongoing, heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    ongoing.pauseResponses();
    expect(setup.etcd.last.isPaused).toBe(true);
    ongoing.resumeResponses();
    expect(setup.etcd.last.isPaused).toBe(false);
    setup.etcd.last.pauseRequests();
    expect(heard.isPaused).toBe(true);
    ongoing.cancel();
    expect(setup.etcd.last.isCancelled).toBe(true);
  });

  test('the tenant that owns the cluster reads and writes keys as they are stored', () => {
    const setup = new Setup('');
    const { heard } = setup.unary('etcdserverpb.KV/Range', {
      key: bytes('a'),
      range_end: bytes('\0'),
    });
    expect(setup.stored('etcdserverpb.KV/Range')).toMatchObject({
      key: bytes('a'),
      range_end: bytes('\0'),
    });
    const answer = encodeResponse('etcdserverpb.KV/Range', { header, kvs: [{ key: bytes('x') }] });
    setup.etcd.last.respond(answer);
    expect(heard.messages).toEqual([answer]);
  });

  test.each(['t1/', ''])('the owner of the cluster acts on all of it, from "%s"', (namespace) => {
    const setup = new Setup(namespace, ownerMethods);
    // A message with an unknown field.
    const request = Uint8Array.of(0x78, 1);
    for (const name of ownerMethods) {
      const isStream = method(name).responseStream;
      const heard = isStream ? setup.stream(name).heard : setup.unaryBytes(name, request).heard;
      const { call } = setup.etcd.last;
      expect(call.method.name).toBe(name);
      if (!isStream) expect(setup.etcd.last.request).toBe(request);
      const answer = Uint8Array.of(0xff);
      setup.etcd.last.respond(answer);
      expect(heard.messages).toEqual([answer]);
    }
    expect(setup.violations).toEqual([]);
  });

  test('a method that a layer above must reject is not passed on', () => {
    const setup = new Setup();
    expect(() => setup.unaryBytes('etcdserverpb.Maintenance/Defragment', bytes(''))).toThrow(
      /Defragment/,
    );
    const snapshot = callOf('etcdserverpb.Maintenance/Snapshot', { tenant: setup.tenant });
    expect(() => setup.layer.stream(snapshot, new Caller())).toThrow(/Snapshot/);
    expect(setup.etcd.calls).toEqual([]);
  });

  test('a list of leases shows those of the tenant, by their visible IDs', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.Lease/LeaseLeases', {});
    const own = setup.tenant.keySpace.leases.stored(5);
    const leases = [{ ID: String(own) }, { ID: '123' }];
    setup.etcd.last.respond(encodeResponse('etcdserverpb.Lease/LeaseLeases', { header, leases }));
    expect(answerOf('etcdserverpb.Lease/LeaseLeases', heard).leases).toEqual([{ ID: '5' }]);
  });

  test('a foreign lease on a key is shown as 0, and counted', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    const kvs = [{ key: bytes('t1/a'), lease: '123' }];
    setup.etcd.last.respond(encodeResponse('etcdserverpb.KV/Range', { header, kvs }));
    expect(answerOf('etcdserverpb.KV/Range', heard).kvs[0]?.lease).toBe('0');
    expect(setup.foreignLeases).toBe(1);
  });
});
