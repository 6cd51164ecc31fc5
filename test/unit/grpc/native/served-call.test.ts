/** Calls on the native server, frame by frame, over a wire in memory. */

import { describe, expect, test } from 'vitest';
import {
  type CallHandle,
  endedCall,
  type RequestSink,
  type ResponseSink,
} from '../../../../src/grpc/call.ts';
import { InflateSlots } from '../../../../src/grpc/gzip/inflate-slots.ts';
import { messagePrefix } from '../../../../src/grpc/message-framing.ts';
import { ResponseHeads } from '../../../../src/grpc/native/response-heads.ts';
import { ServedCall } from '../../../../src/grpc/native/served-call.ts';
import { Code, ok, type Status, status } from '../../../../src/grpc/status.ts';
import type { Incoming, ServedMethod } from '../../../../src/grpc/transport.ts';
import { FrameType } from '../../../../src/http2/frame.ts';
import { SettingId, settingsFrame } from '../../../../src/http2/settings.ts';
import { asOwned } from '../../../../src/runtime/owned-bytes.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { memoryOf } from '../../../support/message-memory.ts';
import {
  frame,
  type RawPeer,
  ServerUnderTest,
  settle,
  uint32,
} from '../../../support/raw-http2.ts';
import { until } from '../../../support/until.ts';

const put: ServedMethod = {
  path: '/etcdserverpb.KV/Put',
  requestStream: false,
  responseStream: false,
};
const chat: ServedMethod = { path: '/test.S/Chat', requestStream: true, responseStream: true };
const method = [':method', 'POST', ':scheme', 'http', ':authority', 'x'];
const grpc = ['content-type', 'application/grpc', 'te', 'trailers'];
const head = [...method, ':path', put.path, ...grpc];

class Handler {
  readonly methods = new Map([put, chat].map((each) => [each.path, each]));
  readonly calls: { incoming: Incoming<ServedMethod>; request: string }[] = [];
  /** The requests of each stream. */
  readonly streams: string[][] = [];
  onCall: (responses: ResponseSink, incoming: Incoming<ServedMethod>) => CallHandle = (
    responses,
  ) => {
    responses.deliver(asOwned(Buffer.from('response')));
    responses.end(ok);
    return endedCall;
  };
  unary(
    incoming: Incoming<ServedMethod>,
    request: Uint8Array,
    responses: ResponseSink,
  ): CallHandle {
    this.calls.push({ incoming, request: Buffer.from(request).toString() });
    return this.onCall(responses, incoming);
  }
  stream(): RequestSink {
    const requests: string[] = [];
    this.streams.push(requests);
    return {
      ...endedCall,
      send: (request) => {
        requests.push(Buffer.from(request).toString());
      },
    };
  }
}

function serve(messageBytesMax = 100, settings: [number, number][] = [], bytesMax = 1 << 30) {
  const clock = new ManualClock();
  const handler = new Handler();
  const memory = memoryOf({ bytesMax, clock });
  const faults: unknown[] = [];
  const client = { listener: 'x', remote: '', certificate: null };
  const context = {
    handler,
    messageBytesMax,
    memory,
    requests: memory.requestAccount(client),
    inflateSlots: new InflateSlots(),
    clock,
    peer: client,
    heads: new ResponseHeads(),
    onFault: (fault: unknown) => faults.push(fault),
  };
  const server = new ServerUnderTest(clock, {
    acceptor: { accept: (from) => new ServedCall(from, context), onClosed() {} },
  });
  server.begin(...settings);
  return { clock, handler, peer: server.peer, faults, memory };
}

const message = (text: string) =>
  Buffer.concat([Buffer.from(messagePrefix(text.length)), Buffer.from(text)]);

/** What a stream received: `:status`, fields and trailers of all header blocks, and the DATA. */
function received(peer: RawPeer, streamId: number) {
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
  return received(peer, streamId);
}

describe('a unary call', () => {
  test('is one call of the handler and a response of three frames, whose head soon takes two bytes', async () => {
    const { handler, peer } = serve();
    for (const id of [1, 3, 5]) {
      const { fields, text } = await call(peer, id, head, message('request'));
      expect(fields).toEqual({
        ':status': '200',
        'content-type': 'application/grpc',
        'grpc-status': '0',
      });
      expect(text.slice(5)).toBe('response');
    }
    expect(handler.calls.map(({ request }) => request)).toEqual(['request', 'request', 'request']);
    const sizes = (id: number) =>
      peer.frames.filter((got) => got.streamId === id).map((got) => got.payload.length);
    expect(sizes(5)).toEqual([2, 13, 1]);
  });

  test('that is refused again and again takes a byte per field from the third refusal on', async () => {
    const { handler, peer } = serve();
    const refused = status(Code.RESOURCE_EXHAUSTED, 'too many', 'proxy', ['reason', 'rate']);
    const other = status(Code.UNAVAILABLE, 'lost', 'lost', ['reason', 'lost']);
    const end = (ended: Status) => {
      handler.onCall = (responses) => {
        responses.end(ended);
        return endedCall;
      };
    };
    const fieldsOf = ({ code, text, trailers }: Status) => ({
      ':status': '200',
      'content-type': 'application/grpc',
      'grpc-status': String(code),
      'grpc-message': text,
      [trailers[0]!]: trailers[1],
    });
    const sizes: number[] = [];
    for (const [index, ended] of [
      ...[refused, refused, refused, refused, refused],
      ...[other, refused, other, other, refused, refused, refused],
    ].entries()) {
      end(ended);
      const id = 1 + 2 * index;
      expect((await call(peer, id, head, message('request'))).fields).toEqual(fieldsOf(ended));
      const frames = peer.frames.filter((got) => got.streamId === id);
      expect(frames).toHaveLength(1);
      sizes.push(frames[0]?.payload.length ?? 0);
    }
    // One index per field.
    expect([sizes[2], sizes[3], sizes[4], sizes.at(-1)]).toEqual([5, 5, 5, 5]);
    expect(sizes[0]).toBeGreaterThan(30);
  });

  test('starts when the request has ended, however it is cut into frames', async () => {
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

  test('has its metadata and deadline, without the fields of the transport', async () => {
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
    ['/etcdserverpb.KV/N\u00c3\u00b6pe', 'unknown method N%C3%B6pe for service etcdserverpb.KV'],
    ['/N\u00f6.S/x', 'unknown service N%EF%BF%BD.S'],
    ['*"\t\u00c3\u00b6\u00f6', 'malformed method name: "*\\"\\t%C3%B6\\xf6"'],
  ])('to %s is Unimplemented with the text of grpc-go', async (path, text) => {
    const { peer } = serve();
    const fields = [...method, ':path', path, 'content-type', 'application/grpc'];
    const got = await call(peer, 1, fields, message('x'));
    expect(got.fields).toMatchObject({ 'grpc-status': '12', 'grpc-message': text });
  });

  test('with an unsupported encoding is rejected, and the status names the supported ones', async () => {
    const { peer } = serve();
    const got = await call(peer, 1, [...head, 'grpc-encoding', 'zstd'], message('x'));
    expect(got.fields).toMatchObject({
      'grpc-status': '12',
      'grpc-message': 'grpc: Decompressor is not installed for grpc-encoding "zstd"',
      'grpc-accept-encoding': 'identity,gzip',
    });
  });

  const many = Array.from({ length: 1_000 }, (_, i) => [`x-${i}`, 'v'.repeat(80)]).flat();

  test.each([
    ['', [], 'application/grpc'],
    ['+proto', [], 'application/grpc+proto'],
    [';charset=utf-8', [], 'application/grpc+charset=utf-8'],
    ['+', [], 'application/grpc'],
    ['+proto', ['content-type', 'application/grpc+json'], 'application/grpc+json'],
    ['+proto', ['content-type', 'text/plain'], 'application/grpc+proto'],
    [`+${'x'.repeat(256)}`, [], 'application/grpc'],
  ])(
    'with the format %j gets it back in the response, with and without success',
    async (suffix, more, type) => {
      const { handler, peer } = serve();
      const fields = [...method, ':path', put.path, 'content-type', `application/grpc${suffix}`];
      for (const id of [1, 3, 5]) {
        const got = await call(peer, id, [...fields, ...more], message('x'));
        expect(got.fields).toMatchObject({ 'content-type': type, 'grpc-status': '0' });
      }
      handler.onCall = (responses) => {
        responses.end(status(Code.NOT_FOUND, 'no'));
        return endedCall;
      };
      const got = await call(peer, 7, [...fields, ...more], message('x'));
      expect(got.fields).toMatchObject({ 'content-type': type, 'grpc-status': '5' });
      handler.onCall = (responses) => {
        responses.end(ok);
        return endedCall;
      };
      expect((await call(peer, 9, head, message('x'))).fields['content-type']).toBe(
        'application/grpc',
      );
    },
  );

  test('with 122 KB of metadata is served, and its metadata counts until the call ends', async () => {
    const { handler, peer, memory } = serve();
    let bytes = 0;
    handler.onCall = (responses) => {
      bytes = memory.requests.bytes;
      responses.end(ok);
      return endedCall;
    };
    const block = peer.block(...head, ...many);
    const rest: Buffer[] = [];
    for (let at = 16_384; at < block.length; at += 16_384) {
      const isLast = at + 16_384 >= block.length;
      const payload = block.subarray(at, at + 16_384);
      rest.push(frame(FrameType.CONTINUATION, isLast ? 4 : 0, 1, payload));
    }
    peer.send(frame(FrameType.HEADERS, 0, 1, block.subarray(0, 16_384)), ...rest);
    peer.send(frame(FrameType.DATA, 1, 1, message('x')));
    await settle();
    expect(received(peer, 1).fields['grpc-status']).toBe('0');
    expect(bytes).toBeGreaterThan(100_000);
    expect(memory.requests.bytes).toBe(0);
  });
});

describe('a head that grpc-go rejects', () => {
  const tail = [':path', put.path, ...grpc];
  const notOne = (hosts: number) =>
    `num values of :authority: 1, num values of host: ${hosts}, both must only have 1 value as per HTTP/2 spec`;
  const badBase64 = (value: string, at: number, name = 'a-bin') =>
    `malformed binary metadata "${value}" in header "${name}": illegal base64 data at input byte ${at}`;
  const badTimeout = (fault: string) => `malformed grpc-timeout: ${fault}`;

  test.each<[string, string[], string, string, string]>([
    [
      'no content-type',
      [...method, ':path', '/'],
      '415',
      '3',
      'invalid gRPC request content-type ""',
    ],
    [
      'another content-type, and GET',
      [':method', 'GET', ...method.slice(2), ':path', '/', 'content-type', 'application/GRPC'],
      ...(['415', '3', 'invalid gRPC request content-type "application/GRPC"'] as const),
    ],
    [
      'GET',
      [':method', 'GET', ...method.slice(2), ...tail],
      ...([
        '405',
        '13',
        'Received a HEADERS frame with :method "GET" which should be POST',
      ] as const),
    ],
    [
      'no authority',
      [':method', 'POST', ':scheme', 'http', ...tail],
      ...(['400', '13', 'no host or :authority header present'] as const),
    ],
    ['two hosts', [...head, 'host', 'x', 'host', 'y'], '400', '13', notOne(2)],
    ...([
      ['', 'transport: timeout string is too short: ""'],
      ['S', 'transport: timeout string is too short: "S"'],
      ['123456789S', 'transport: timeout string is too long: "123456789S"'],
      ['1x', 'transport: timeout unit is not recognized: "1x"'],
      ['-1S', 'strconv.ParseUint: parsing "-1": invalid syntax'],
      ['"\u00e9S', 'strconv.ParseUint: parsing "\\"\\xe9": invalid syntax'],
    ].map(([value, fault]) => [
      `timeout ${value}`,
      [...head, 'grpc-timeout', value],
      ...['400', '13', badTimeout(fault ?? '')],
    ]) as [string, string[], string, string, string][]),
    ...([
      ['***', 0],
      ['A', 0],
      ['A=', 1],
      ['-_-_', 0],
      ['AAH/,AAH/', 4],
      ['AAAA====', 4],
      ['AA=A', 2],
    ].map(([value, at]) => [
      `binary ${value}`,
      [...head, 'a-bin', value],
      ...['400', '13', badBase64(String(value), Number(at))],
    ]) as [string, string[], string, string, string][]),
  ])('%s', async (_, fields, httpStatus, code, text) => {
    const { handler, peer } = serve();
    // The client has not ended its request.
    peer.send(frame(FrameType.HEADERS, 4, 1, peer.block(...fields)));
    await settle();
    expect(received(peer, 1).fields).toEqual({
      ':status': httpStatus,
      'content-type': 'application/grpc',
      'grpc-status': code,
      'grpc-message': text,
    });
    expect(peer.resetCode(1)).toBe(0);
    expect(handler.calls).toHaveLength(0);
  });

  test.each(['AAH/', 'AAE', 'AAE=', 'AA==', '', 'AAF'])('not binary metadata %j', async (value) => {
    const { peer } = serve();
    const got = await call(peer, 1, [...head, 'a-bin', value], message('x'));
    expect(got.fields['grpc-status']).toBe('0');
  });

  test.each([
    ['host', [':method', 'POST', ':scheme', 'http', ...tail, 'host', 'x']],
    ['host beside authority', [...head, 'host', 'y']],
    ['empty encoding', [...head, 'grpc-encoding', '']],
  ])('not with %s', async (_, fields) => {
    const { peer } = serve();
    expect((await call(peer, 1, fields, message('x'))).fields['grpc-status']).toBe('0');
  });
});

test('a stream has the same messages wherever it is cut into frames', async () => {
  const { handler, peer, faults } = serve();
  const texts = ['one', '', `a message inside: ${message('inner')}`, 'last'];
  const bytes = Buffer.concat(texts.map(message));
  let id = 1;
  for (let first = 1; first < bytes.length; first++) {
    for (let second = first + 1; second < bytes.length; second++, id += 2) {
      peer.send(
        frame(FrameType.HEADERS, 4, id, peer.block(...method, ':path', chat.path, ...grpc)),
        frame(FrameType.DATA, 0, id, bytes.subarray(0, first)),
        frame(FrameType.DATA, 0, id, bytes.subarray(first, second)),
        frame(FrameType.DATA, 0, id, bytes.subarray(second)),
        frame(FrameType.DATA, 1, id, message('after')),
      );
    }
  }
  // On a busy machine the bytes are processed in several turns.
  const messages = (texts.length + 1) * ((id - 1) / 2);
  await until('all messages', () => handler.streams.flat().length >= messages);
  expect(handler.streams).toHaveLength((id - 1) / 2);
  for (const requests of handler.streams) expect(requests).toEqual([...texts, 'after']);
  expect(faults).toEqual([]);
});

/** Counts what reaches a handle. */
class CountingHandle implements CallHandle {
  cancels = 0;
  pauses = 0;
  resumes = 0;
  cancel(): void {
    this.cancels += 1;
  }
  pauseResponses(): void {
    this.pauses += 1;
  }
  resumeResponses(): void {
    this.resumes += 1;
  }
}

describe('a shared message', () => {
  test('is sent as one message: its head, then its tail', async () => {
    const { handler, peer } = serve();
    const tail = Buffer.from('tail');
    handler.onCall = (responses) => {
      responses.deliverShared(Buffer.from('head '), tail);
      responses.deliverShared(Buffer.alloc(0), tail);
      responses.end(ok);
      return endedCall;
    };
    const { text } = await call(peer, 1, head, message(''));
    expect(text).toBe(`${message('head tail')}${message('tail')}`);
    expect(tail.toString()).toBe('tail');
  });

  test('has its head copied before deliverShared returns, also while it waits for a window', async () => {
    const { handler, peer, faults } = serve(100, [[SettingId.INITIAL_WINDOW_SIZE, 0]]);
    const tail = Buffer.alloc(200_000, 'tail');
    const scratch = Buffer.alloc(6);
    handler.onCall = (responses) => {
      scratch.write(`head ${handler.calls.length}`);
      responses.deliverShared(scratch, tail);
      scratch.fill('x');
      responses.end(ok);
      return endedCall;
    };
    for (const id of [1, 3, 5]) await call(peer, id, head, message(''));
    expect(peer.of(FrameType.DATA)).toHaveLength(0);
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
    for (const id of [1, 3, 5]) {
      peer.send(frame(FrameType.WINDOW_UPDATE, 0, id, uint32(300_000)));
    }
    await settle();
    for (const [i, id] of [1, 3, 5].entries()) {
      const { fields, text } = received(peer, id);
      expect(text.slice(5, 11)).toBe(`head ${i + 1}`);
      expect(text.slice(11)).toBe('tail'.repeat(50_000));
      expect(fields['grpc-status']).toBe('0');
    }
    expect(tail.equals(Buffer.alloc(200_000, 'tail'))).toBe(true);
    expect(faults).toEqual([]);
  });

  test('after the end of the call is dropped', async () => {
    const { handler, peer } = serve();
    handler.onCall = (responses) => {
      responses.end(ok);
      responses.deliverShared(Buffer.from('head '), Buffer.from('tail'));
      return endedCall;
    };
    expect((await call(peer, 1, head, message(''))).text).toBe('');
  });
});

describe('backpressure', () => {
  test('that begins before the handler has returned reaches its handle once', async () => {
    const { handler, peer } = serve(100, [[SettingId.INITIAL_WINDOW_SIZE, 0]]);
    const handle = new CountingHandle();
    handler.onCall = (responses) => {
      const bytes = Buffer.alloc(1_000_000);
      // Shared, because the wire in memory does not copy what is written, as a socket does before memory is released.
      for (let i = 0; i < 3; i++) responses.deliverShared(Buffer.alloc(0), bytes);
      return handle;
    };
    await call(peer, 1, head, message(''));
    expect(handle).toMatchObject({ pauses: 1, resumes: 0 });
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(4_000_000)));
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(4_000_000)));
    for (let i = 0; i < 100 && handle.resumes === 0; i++) await settle();
    expect(handle).toMatchObject({ pauses: 1, resumes: 1, cancels: 0 });
    expect(received(peer, 1).text).toHaveLength(3 * (5 + 1_000_000));
  });
});

describe('a call that the client resets', () => {
  test('is cancelled once, and later responses are dropped', async () => {
    const { handler, peer } = serve();
    const handle = new CountingHandle();
    let sink: ResponseSink | null = null;
    handler.onCall = (responses) => {
      sink = responses;
      return handle;
    };
    await call(peer, 1, head, message(''));
    peer.send(frame(FrameType.RST_STREAM, 0, 1, uint32(8)));
    await settle();
    const late = sink as ResponseSink | null;
    late?.deliver(asOwned(Buffer.from('late')));
    late?.end(ok);
    await settle();
    expect(handle.cancels).toBe(1);
    expect(received(peer, 1)).toEqual({ fields: {}, text: '' });
  });

  test('while it is being started is cancelled when the handler returns', async () => {
    const { handler, peer } = serve();
    const handle = new CountingHandle();
    handler.onCall = (_, incoming) => {
      if (incoming instanceof ServedCall) incoming.onReset();
      return handle;
    };
    await call(peer, 1, head, message(''));
    expect(handle).toEqual({ cancels: 1, pauses: 0, resumes: 0 });
  });
});

describe('memory of requests', () => {
  /** Opens a call and sends the first `bytes` of a message of `length`. */
  function begin(peer: RawPeer, streamId: number, length: number, bytes: number): void {
    peer.send(frame(FrameType.HEADERS, 4, streamId, peer.block(...head)));
    const start = Buffer.concat([messagePrefix(length), Buffer.alloc(bytes)]);
    for (let at = 0; at < start.length; at += 16_384) {
      peer.send(frame(FrameType.DATA, 0, streamId, start.subarray(at, at + 16_384)));
    }
  }

  const granted = (peer: RawPeer, streamId: number) =>
    peer
      .of(FrameType.WINDOW_UPDATE, streamId)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);

  test('a long request gets its window when its length is reserved, and the next one waits', async () => {
    const { peer, memory } = serve(200_000, [], 1_200_000);
    begin(peer, 1, 150_000, 1_000);
    begin(peer, 3, 150_000, 1_000);
    await settle();
    expect(granted(peer, 1)).toBeGreaterThan(0);
    expect(granted(peer, 3)).toBe(0);
    expect(memory.requests.waitingHolds).toBe(1);
    peer.send(frame(FrameType.RST_STREAM, 0, 1, uint32(8)));
    await settle();
    expect(granted(peer, 3)).toBeGreaterThan(0);
  });

  test('half-sent requests beyond the share are refused with the text of etcd and a reason', async () => {
    const { peer, memory } = serve(200_000, [], 600_000);
    for (let id = 1; id < 21; id += 2) begin(peer, id, 150_000, 60_000);
    await settle();
    expect(memory.requests.refusals).toBeGreaterThan(0);
    expect(memory.requests.bytes).toBeLessThanOrEqual(memory.requests.bytesMax);
    const ends = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19].map((id) => received(peer, id).fields);
    expect(ends.filter((fields) => fields['grpc-status'] === '8')).toContainEqual({
      ':status': '200',
      'content-type': 'application/grpc',
      'grpc-status': '8',
      'grpc-message': 'etcdserver: too many requests',
      'etcd-bulkhead-reason': 'message-memory',
    });
    expect((await call(peer, 101, head, message('fine'))).fields['grpc-status']).toBe('0');
  });

  test('a whole request counts while its end is missing', async () => {
    const { peer, memory, handler } = serve(2_000);
    const body = message('x'.repeat(1_500));
    peer.send(
      frame(FrameType.HEADERS, 4, 1, peer.block(...head)),
      frame(FrameType.DATA, 0, 1, body),
    );
    await settle();
    expect(memory.requests.bytes).toBe(1_500);
    peer.send(frame(FrameType.DATA, 1, 1));
    await settle();
    expect([memory.requests.bytes, handler.calls.length]).toEqual([0, 1]);
  });

  test('a request in one frame that ends its stream does not count', async () => {
    const { peer, memory, handler } = serve(2_000);
    let counted = -1;
    handler.onCall = () => {
      counted = memory.requests.bytes;
      return endedCall;
    };
    await call(peer, 1, head, message('x'.repeat(1_500)));
    expect(counted).toBe(0);
  });

  test('a request counts until its call has ended, and goes when the client resets it', async () => {
    const { peer, memory, handler } = serve(200_000);
    handler.onCall = () => endedCall;
    begin(peer, 1, 50_000, 50_000);
    peer.send(frame(FrameType.DATA, 1, 1));
    await settle();
    expect([handler.calls.length, memory.requests.bytes]).toEqual([1, 50_000]);
    peer.send(frame(FrameType.RST_STREAM, 0, 1, uint32(8)));
    await settle();
    expect(memory.requests.bytes).toBe(0);
  });
});

describe('a unary call whose client does not open its window', () => {
  test('is paused from its start, and resumed when the window opens', async () => {
    const { peer, handler } = serve(100, [[SettingId.INITIAL_WINDOW_SIZE, 0]]);
    const events: string[] = [];
    handler.onCall = () => ({
      ...endedCall,
      pauseResponses: () => events.push('pause'),
      resumeResponses: () => events.push('resume'),
    });
    await call(peer, 1, head, message('a'));
    expect(events).toEqual(['pause']);
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(10)));
    await settle();
    expect(events).toEqual(['pause', 'resume']);
    await call(peer, 3, head, message('a'));
    peer.send(settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 10]]));
    await settle();
    expect(events).toEqual(['pause', 'resume', 'pause', 'resume']);
  });

  test('waits for the window of the connection, too', async () => {
    const { peer, handler } = serve(100, [[SettingId.INITIAL_WINDOW_SIZE, 1_000_000]]);
    const events: string[] = [];
    handler.onCall = (responses) => {
      if (handler.calls.length === 1) {
        responses.deliver(asOwned(Buffer.alloc(100_000)));
        responses.end(ok);
        return endedCall;
      }
      return {
        ...endedCall,
        pauseResponses: () => events.push('pause'),
        resumeResponses: () => events.push('resume'),
      };
    };
    await call(peer, 1, head, message('a'));
    await call(peer, 3, head, message('a'));
    expect(events).toEqual(['pause']);
    peer.send(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1_000_000)));
    await settle();
    expect(events).toEqual(['pause', 'resume']);
  });
});
