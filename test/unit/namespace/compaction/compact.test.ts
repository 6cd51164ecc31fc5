import { describe, expect, test } from 'vitest';
import { Code, ok } from '../../../../src/grpc/status.ts';
import { decodeRequest } from '../../../support/codec.ts';
import { answerOf, bytes, encodeResponse, header, Setup } from '../setup.ts';

const read = encodeResponse('etcdserverpb.KV/Range', { header });

/** Compacts, with etcd at revision 100. */
function compact(setup: Setup, revision: number) {
  const { heard } = setup.unary('etcdserverpb.KV/Compact', { revision });
  setup.etcd.last.respond(read);
  return heard;
}

describe('a compaction by a tenant', () => {
  test("raises the tenant's floor and leaves the cluster alone", () => {
    const setup = new Setup();
    const heard = compact(setup, 60);
    expect(heard.isOk).toBe(true);
    expect(answerOf('etcdserverpb.KV/Compact', heard).header).toEqual(header);
    expect(setup.tenant.state.floor.revision).toBe(60);
    expect(setup.etcd.calls.map((c) => c.call.method.rpc)).toEqual(['Range']);
  });

  test('reads one key inside the namespace, linearizably, on behalf of the caller', () => {
    const setup = new Setup();
    setup.unary('etcdserverpb.KV/Compact', { revision: 60, physical: true }, ['token', 'x']);
    const { call, request } = setup.etcd.last;
    expect(decodeRequest('etcdserverpb.KV/Range', request)).toMatchObject({
      key: bytes('t1/\0'),
      range_end: bytes(''),
      count_only: true,
      serializable: false,
      revision: '0',
    });
    expect(call).toMatchObject({ metadata: ['token', 'x'], tenant: setup.tenant });
  });

  test('twice at one revision, or below, is refused as compacted', () => {
    const setup = new Setup();
    compact(setup, 60);
    for (const revision of [60, 59, 0, -1]) {
      const heard = compact(setup, revision);
      expect(heard.status).toMatchObject({
        code: Code.OUT_OF_RANGE,
        text: 'etcdserver: mvcc: required revision has been compacted',
      });
    }
    expect(setup.tenant.state.floor.revision).toBe(60);
  });

  test('is possible up to the current revision and refused beyond it', () => {
    const setup = new Setup();
    expect(compact(setup, 101).status).toMatchObject({
      code: Code.OUT_OF_RANGE,
      text: 'etcdserver: mvcc: required revision is a future revision',
    });
    expect(setup.tenant.state.floor.revision).toBe(0);
    expect(compact(setup, 100).isOk).toBe(true);
  });

  test("makes older reads of the tenant fail with etcd's text", () => {
    const setup = new Setup();
    compact(setup, 60);
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a'), revision: 59 });
    expect(heard.text).toBe('etcdserver: mvcc: required revision has been compacted');
  });

  test('fails as the read fails', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Compact', { revision: 60 });
    setup.etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: leader changed');
    expect(heard.status).toMatchObject({ text: 'etcdserver: leader changed', origin: 'peer' });
    expect(setup.tenant.state.floor.revision).toBe(0);
  });

  test('does not invent a header when none came', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Compact', { revision: 60 });
    setup.etcd.last.end(ok);
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.tenant.state.floor.revision).toBe(0);
  });

  test('is rejected before anything is read if it is not a message', () => {
    const setup = new Setup();
    const { heard } = setup.unaryBytes('etcdserverpb.KV/Compact', Uint8Array.of(0x08));
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.etcd.calls).toEqual([]);
  });

  test('stops when its caller cancels it', () => {
    const setup = new Setup();
    const { ongoing } = setup.unary('etcdserverpb.KV/Compact', { revision: 60 });
    ongoing.cancel();
    expect(setup.etcd.last.isCancelled).toBe(true);
  });

  test('of two at the same time, the later response cannot lower the floor', () => {
    const setup = new Setup();
    const low = setup.unary('etcdserverpb.KV/Compact', { revision: 40 });
    const lowRead = setup.etcd.last;
    compact(setup, 60);
    lowRead.respond(read);
    expect(low.heard.text).toBe('etcdserver: mvcc: required revision has been compacted');
    expect(setup.tenant.state.floor.revision).toBe(60);
  });
});
