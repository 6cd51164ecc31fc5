import { describe, expect, test } from 'vitest';
import { Code, ok } from '../../../src/grpc/status.ts';
import { bytes, encodeRequest, encodeResponse, header, Setup } from './setup.ts';

const foreign = encodeResponse('etcdserverpb.KV/Range', { header, kvs: [{ key: bytes('t2/a') }] });
const foreignEvent = encodeResponse('etcdserverpb.Watch/Watch', {
  header,
  events: [{ kv: { key: bytes('t10/a') } }],
});

describe('an answer from outside of the namespace', () => {
  test('ends the call with Internal, stops it below, is counted once and never delivered', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    setup.etcd.call.reply.deliver(foreign);
    expect(heard.messages).toEqual([]);
    expect(heard.code).toBe(Code.INTERNAL);
    expect(heard.status?.trailers).toContain('namespace-violation');
    expect(setup.etcd.call.isCanceled).toBe(true);
    expect(setup.violations).toMatchObject([
      { fault: 'namespace-violation', call: { method: { rpc: 'Range' } } },
    ]);
  });

  test('is noticed as well when it comes before the call below has returned', () => {
    const setup = new Setup();
    setup.etcd.onUnary = (call) => call.reply.deliver(foreign);
    const { heard, ongoing } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.etcd.call.isCanceled).toBe(true);
    ongoing.cancel();
  });

  test('does not stop a call below that has ended by itself', () => {
    const setup = new Setup();
    setup.etcd.onUnary = (call) => call.answer(foreign);
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.etcd.call.isCanceled).toBe(false);
  });

  test('ends a stream with Unavailable, so that clients resume, and nothing follows', () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream('etcdserverpb.Watch/Watch');
    requests.send(
      encodeRequest('etcdserverpb.Watch/Watch', { create_request: { key: bytes('a') } }),
    );
    below.reply.deliver(foreignEvent);
    below.reply.deliver(encodeResponse('etcdserverpb.Watch/Watch', { header, watch_id: 1 }));
    below.reply.end(ok);
    expect(heard.messages).toEqual([]);
    expect(heard.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcdserver: unhealthy cluster',
    });
    expect(below.isCanceled).toBe(true);
    expect(setup.violations).toHaveLength(1);

    requests.send(encodeRequest('etcdserverpb.Watch/Watch', { progress_request: {} }));
    requests.pauseResponses();
    requests.resumeResponses();
    requests.halfClose();
    requests.cancel();
    expect(below.requests).toHaveLength(1);
  });

  test('ends a stream that is only being opened', () => {
    const setup = new Setup();
    setup.etcd.onStream = (call) => call.reply.deliver(foreignEvent);
    const { heard, requests, below } = setup.stream('etcdserverpb.Watch/Watch');
    requests.send(encodeRequest('etcdserverpb.Watch/Watch', { progress_request: {} }));
    expect(heard.code).toBe(Code.UNAVAILABLE);
    expect(below.isCanceled).toBe(true);
    expect(below.requests).toEqual([]);
  });

  test('is not delivered when it cannot be read either', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    setup.etcd.call.reply.deliver(Uint8Array.of(0x12, 0x7f));
    expect(heard.messages).toEqual([]);
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.violations).toMatchObject([{ fault: 'malformed' }]);
  });
});

test('an answer may come before the call below has returned', () => {
  const setup = new Setup();
  setup.etcd.onUnary = (call) =>
    call.answer(encodeResponse('etcdserverpb.KV/Range', { header, kvs: [{ key: bytes('t1/a') }] }));
  const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
  expect(heard.messages).toHaveLength(1);
  expect(heard.isOk).toBe(true);
});
