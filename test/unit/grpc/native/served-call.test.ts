/** What the native server makes of requests, frame by frame, on a wire in memory. */
import { describe, expect, test } from 'vitest';
import { type CallHandle, endedCall, type ResponseSink } from '../../../../src/grpc/call.ts';
import { AssemblyBudget, messagePrefix } from '../../../../src/grpc/message-framing.ts';
import { ServedCall } from '../../../../src/grpc/native/served-call.ts';
import { Code, ok } from '../../../../src/grpc/status.ts';
import type { Incoming, ServedMethod } from '../../../../src/grpc/transport.ts';
import { FrameType } from '../../../../src/http2/frame.ts';
import { HeaderTemplate } from '../../../../src/http2/hpack/encoder.ts';
import { asOwned } from '../../../../src/runtime/owned-bytes.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { frame, type RawPeer, ServerUnderTest, settle } from '../../../support/raw-http2.ts';

const put: ServedMethod = {
  path: '/etcdserverpb.KV/Put',
  requestStream: false,
  responseStream: false,
};
const method = [':method', 'POST', ':scheme', 'http', ':authority', 'x'];
const head = [...method, ':path', put.path, 'content-type', 'application/grpc', 'te', 'trailers'];

class Unary {
  readonly methods = new Map([[put.path, put]]);
  readonly calls: { incoming: Incoming<ServedMethod>; request: string }[] = [];
  unary(incoming: Incoming<ServedMethod>, request: Uint8Array, reply: ResponseSink): CallHandle {
    this.calls.push({ incoming, request: Buffer.from(request).toString() });
    reply.deliver(asOwned(Buffer.from('answer')));
    reply.end(ok);
    return endedCall;
  }
  stream() {
    return endedCall;
  }
}

function serve(messageBytesMax = 100) {
  const clock = new ManualClock();
  const handler = new Unary();
  const faults: unknown[] = [];
  const serving = {
    handler,
    messageBytesMax,
    assembly: new AssemblyBudget(1_000_000),
    clock,
    peer: { listener: 'x', remote: '', certificate: null },
    replyHead: new HeaderTemplate([':status', '200', 'content-type', 'application/grpc'], true),
    okTrailers: new HeaderTemplate(['grpc-status', '0'], true),
    onFault: (fault: unknown) => faults.push(fault),
  };
  const server = new ServerUnderTest(clock, {
    acceptor: { accept: (from) => new ServedCall(from, serving), onClosed() {} },
  });
  server.begin();
  return { clock, handler, peer: server.peer, faults };
}

const message = (text: string) =>
  Buffer.concat([Buffer.from(messagePrefix(text.length)), Buffer.from(text)]);

/** What came on a stream: `:status`, fields and trailers of all header blocks, and the DATA. */
function answer(peer: RawPeer, streamId: number) {
  const fields: Record<string, string> = {};
  let text = '';
  for (const each of peer.frames.filter((got) => got.streamId === streamId)) {
    if (each.type === FrameType.DATA) text += each.payload.toString();
    if (each.type !== FrameType.HEADERS) continue;
    const list = peer.decode(each);
    if (list.status !== 0) fields[':status'] = String(list.status);
    for (let i = 0; i < list.fields.length; i += 2) fields[list.fields[i]!] = list.fields[i + 1]!;
  }
  return { fields, text };
}

async function call(peer: RawPeer, streamId: number, fields: string[], body: Buffer) {
  peer.send(
    frame(FrameType.HEADERS, 4, streamId, peer.block(...fields)),
    frame(FrameType.DATA, 1, streamId, body),
  );
  await settle();
  return answer(peer, streamId);
}

describe('a unary call', () => {
  test('is one call into the handler and three frames of answer, soon of constant size', async () => {
    const { handler, peer } = serve();
    for (const id of [1, 3, 5]) {
      const { fields, text } = await call(peer, id, head, message('request'));
      expect(fields).toEqual({
        ':status': '200',
        'content-type': 'application/grpc',
        'grpc-status': '0',
      });
      expect(text.slice(5)).toBe('answer');
    }
    expect(handler.calls.map(({ request }) => request)).toEqual(['request', 'request', 'request']);
    const sizes = (id: number) =>
      peer.frames.filter((got) => got.streamId === id).map((got) => got.payload.length);
    expect(sizes(5)).toEqual([2, 11, 1]);
  });

  test('starts when its end has come, in whatever frames', async () => {
    const { handler, peer } = serve();
    const bytes = message('request');
    peer.send(frame(FrameType.HEADERS, 4, 1, peer.block(...head)));
    for (let at = 0; at < bytes.length; at++) {
      peer.send(frame(FrameType.DATA, 0, 1, bytes.subarray(at, at + 1)));
    }
    await settle();
    expect(handler.calls).toHaveLength(0);
    peer.send(frame(FrameType.DATA, 1, 1));
    await settle();
    expect(handler.calls.map(({ request }) => request)).toEqual(['request']);
  });

  test('carries its metadata and deadline, without what is the transport’s own', async () => {
    const { handler, peer, clock } = serve();
    clock.advance(1_000);
    const fields = [...head, 'grpc-timeout', '5S', 'hasleader', 'true', 'x-bin', 'AAH/'];
    await call(peer, 1, fields, message(''));
    const { incoming } = handler.calls[0]!;
    expect(incoming.metadata).toEqual(['hasleader', 'true', 'x-bin', 'AAH/']);
    expect(incoming.deadlineMs).toBe(6_000);
    expect(incoming.method).toBe(put);
  });

  test.each([
    ['no message', Buffer.alloc(0), Code.INTERNAL, /received no request message/],
    ['half a message', message('abc').subarray(0, 6), Code.INTERNAL, /^unexpected EOF$/],
    [
      'two messages',
      Buffer.concat([message('a'), message('b')]),
      Code.INTERNAL,
      /received multiple request messages/,
    ],
    [
      'a message over the limit',
      message('x'.repeat(101)),
      Code.RESOURCE_EXHAUSTED,
      /^grpc: received message larger than max \(101 vs\. 100\)$/,
    ],
    ['a compressed message', Buffer.from([1, 0, 0, 0, 0]), Code.INTERNAL, /compressed flag set/],
  ])('with %s never reaches the handler', async (_, body, code, text) => {
    const { handler, peer, faults } = serve();
    const { fields } = await call(peer, 1, head, body);
    expect(fields['grpc-status']).toBe(String(code));
    expect(fields['grpc-message']).toMatch(text);
    expect(handler.calls).toHaveLength(0);
    expect(faults).toHaveLength(0);
    expect((await call(peer, 3, head, message('fine'))).fields['grpc-status']).toBe('0');
  });

  test.each([
    ['/etcdserverpb.KV/Foo', 'unknown method Foo for service etcdserverpb.KV'],
    ['/no.Such/Thing', 'unknown service no.Such'],
    ['/x', 'malformed method name: "/x"'],
  ])('to %s is Unimplemented in the words of grpc-go', async (path, text) => {
    const { peer } = serve();
    const fields = [...method, ':path', path, 'content-type', 'application/grpc'];
    const got = await call(peer, 1, fields, message('x'));
    expect(got.fields).toMatchObject({ 'grpc-status': '12', 'grpc-message': text });
  });

  test('with an encoding that we lack is told which ones there are', async () => {
    const { peer } = serve();
    const got = await call(peer, 1, [...head, 'grpc-encoding', 'gzip'], message('x'));
    expect(got.fields).toMatchObject({
      'grpc-status': '12',
      'grpc-message': 'grpc: Decompressor is not installed for grpc-encoding "gzip"',
      'grpc-accept-encoding': 'identity',
    });
  });

  test('with a timeout that is none is Internal', async () => {
    const { peer } = serve();
    const got = await call(peer, 1, [...head, 'grpc-timeout', 'soon'], message('x'));
    expect(got.fields['grpc-status']).toBe('13');
  });
});

test('a request that is no call gets 415', async () => {
  const { peer } = serve();
  const got = await call(peer, 1, [...method, ':path', '/'], Buffer.from('{}'));
  expect(got.fields[':status']).toBe('415');
});
