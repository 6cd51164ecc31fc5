import { describe, expect, test } from 'vitest';
import { builtMessage } from '../../../src/call/call.ts';
import { Code, ok } from '../../../src/grpc/status.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { decodeRequest } from '../../support/codec.ts';
import { withoutContractChecks } from '../../support/contract-checks.ts';
import { answerOf, bytes, encodeRequest, encodeResponse, header, Setup } from './setup.ts';

const watch = 'etcdserverpb.Watch/Watch';

const foreign = encodeResponse('etcdserverpb.KV/Range', { header, kvs: [{ key: bytes('t2/a') }] });
const foreignEvent = encodeResponse(watch, {
  header,
  events: [{ kv: { key: bytes('t10/a') } }],
});

describe('a stream through the namespace', () => {
  const creates = [
    { name: 'one key', key: 'a', end: '', stored: ['t1/a', ''] },
    { name: 'an empty key', key: '', end: '', stored: ['t1/\0', ''] },
    { name: 'an empty key to the end', key: '', end: '\0', stored: ['t1/\0', 't10'] },
    { name: 'a key to the end', key: 'b', end: '\0', stored: ['t1/b', 't10'] },
    { name: 'two zero bytes as an end', key: 'a', end: '\0\0', stored: ['t1/a', 't1/\0\0'] },
    { name: 'an end before the key', key: 'b', end: 'a', stored: ['t1/b', 't1/a'] },
  ];

  test.each(creates)('a watch on $name stays inside', ({ key, end, stored }) => {
    const setup = new Setup();
    const { requests } = setup.stream(watch);
    const create = { key: bytes(key), range_end: bytes(end), start_revision: 7, prev_kv: true };
    requests.send(encodeRequest(watch, { create_request: create }));
    expect(setup.stored(watch).create_request).toMatchObject({
      key: bytes(stored[0] ?? ''),
      range_end: bytes(stored[1] ?? ''),
      start_revision: '7',
      prev_kv: true,
    });
  });

  test('events lose the prefix, in the key and in what was there before', () => {
    const setup = new Setup();
    const { heard, below } = setup.stream(watch);
    const kv = { key: bytes('t1/a'), mod_revision: 9 };
    below.deliver(
      encodeResponse(watch, { header, watch_id: 3, events: [{ kv, prev_kv: kv }, { kv }] }),
    );
    const answer = answerOf(watch, heard);
    expect(answer.watch_id).toBe('3');
    expect(answer.events.map((e) => e.kv.key)).toEqual([bytes('a'), bytes('a')]);
    expect(answer.events[0]?.prev_kv?.key).toEqual(bytes('a'));
  });

  test('a message without keys is passed on as the same bytes', () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream(watch);
    const progress = encodeRequest(watch, { progress_request: {} });
    requests.send(progress);
    expect(below.request).toBe(progress);
    const answer = encodeResponse(watch, { header, watch_id: -1 });
    below.deliver(answer);
    expect(heard.messages[0]).toBe(answer);
  });

  test('bytes that are not a message end the stream; earlier messages stay sent', () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream(watch);
    requests.send(encodeRequest(watch, { create_request: { key: bytes('a') } }));
    requests.send(Uint8Array.of(0x0a, 0x05));
    expect(heard.code).toBe(Code.INTERNAL);
    expect(below.isCancelled).toBe(true);
    expect(below.requests).toHaveLength(1);
    requests.send(encodeRequest(watch, { create_request: { key: bytes('b') } }));
    expect(below.requests).toHaveLength(1);
  });

  test('backpressure, half-close and cancel pass unchanged', () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream(watch);
    requests.pauseResponses();
    expect(below.isPaused).toBe(true);
    requests.resumeResponses();
    expect(below.isPaused).toBe(false);
    below.pauseRequests();
    expect(heard.isPaused).toBe(true);
    below.resumeRequests();
    expect(heard.isPaused).toBe(false);
    requests.halfClose();
    expect(below.isHalfClosed).toBe(true);
    below.deliver(encodeResponse(watch, { header, events: [{ kv: { key: bytes('t1/a') } }] }));
    expect(heard.messages).toHaveLength(1);
    requests.cancel();
    expect(below.isCancelled).toBe(true);
    expect(heard.status).toBeNull();
  });

  test('nothing is sent to etcd after it has ended the stream', () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream(watch);
    below.end(ok);
    requests.send(encodeRequest(watch, { progress_request: {} }));
    requests.halfClose();
    requests.cancel();
    expect(heard.isOk).toBe(true);
    expect(below.requests).toEqual([]);
  });

  test('a long range comes in pieces, and each is rewritten as it comes', () => {
    const setup = new Setup();
    const name = 'etcdserverpb.KV/RangeStream';
    const { heard, requests, below } = setup.stream(name);
    requests.send(encodeRequest(name, { key: bytes('a'), range_end: bytes('\0') }));
    requests.halfClose();
    expect(decodeRequest(name, below.request).range_end).toEqual(bytes('t10'));
    for (const key of ['t1/a', 't1/b']) {
      below.deliver(encodeResponse(name, { range_response: { kvs: [{ key: bytes(key) }] } }));
    }
    expect(heard.messages).toHaveLength(2);
    expect(answerOf(name, heard).range_response.kvs[0]?.key).toEqual(bytes('b'));
    below.deliver(encodeResponse(name, { range_response: { kvs: [{ key: bytes('t0/a') }] } }));
    expect(heard.messages).toHaveLength(2);
    expect(heard.code).toBe(Code.UNAVAILABLE);
  });
});

describe('a response from outside of the namespace', () => {
  test('ends the call with Internal, stops it below, is counted once and never delivered', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    setup.etcd.last.deliver(foreign);
    expect(heard.messages).toEqual([]);
    expect(heard.code).toBe(Code.INTERNAL);
    expect(heard.status?.trailers).toContain('namespace-violation');
    expect(setup.etcd.last.isCancelled).toBe(true);
    expect(setup.violations).toMatchObject([
      { fault: 'namespace-violation', call: { method: { rpc: 'Range' } } },
    ]);
  });

  test('is detected also before the call below has returned', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => call.deliver(foreign);
    const { heard, ongoing } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.etcd.last.isCancelled).toBe(true);
    ongoing.cancel();
  });

  test('does not stop a call below that has ended by itself', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => call.respond(foreign);
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.etcd.last.isCancelled).toBe(false);
  });

  test('ends a stream with Unavailable, so that clients resume, and nothing follows', () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream(watch);
    requests.send(encodeRequest(watch, { create_request: { key: bytes('a') } }));
    below.deliver(foreignEvent);
    withoutContractChecks(() => {
      const { responses } = below;
      responses.deliver(builtMessage(asOwned(encodeResponse(watch, { header, watch_id: 1 }))));
      responses.end(ok);
    });
    expect(heard.messages).toEqual([]);
    expect(heard.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcd-bulkhead: the stream was interrupted',
    });
    expect(below.isCancelled).toBe(true);
    expect(setup.violations).toHaveLength(1);

    requests.send(encodeRequest(watch, { progress_request: {} }));
    requests.pauseResponses();
    requests.resumeResponses();
    requests.halfClose();
    requests.cancel();
    expect(below.requests).toHaveLength(1);
  });

  test('ends a stream that is only being opened', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => call.deliver(foreignEvent);
    const { heard, requests, below } = setup.stream(watch);
    requests.send(encodeRequest(watch, { progress_request: {} }));
    expect(heard.code).toBe(Code.UNAVAILABLE);
    expect(below.isCancelled).toBe(true);
    expect(below.requests).toEqual([]);
  });

  test('is not delivered when it cannot be read either', () => {
    const setup = new Setup();
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    setup.etcd.last.deliver(Uint8Array.of(0x12, 0x7f));
    expect(heard.messages).toEqual([]);
    expect(heard.code).toBe(Code.INTERNAL);
    expect(setup.violations).toMatchObject([{ fault: 'malformed' }]);
  });
});

test('a response may come before the call below has returned', () => {
  const setup = new Setup();
  setup.etcd.onCall = (call) =>
    call.respond(
      encodeResponse('etcdserverpb.KV/Range', { header, kvs: [{ key: bytes('t1/a') }] }),
    );
  const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
  expect(heard.messages).toHaveLength(1);
  expect(heard.isOk).toBe(true);
});
