/**
 * The cost of a served call, and of its messages for different splits of DATA: medians over many short rounds, in one
 * process, without I/O. Run it on an idle machine:
 *
 *   node bench/micro/grpc.bench.ts
 */

import { Buffer } from 'node:buffer';
import { gzipSync } from 'node:zlib';
import {
  type CallHandle,
  endedCall,
  type RequestSink,
  type ResponseSink,
} from '../../src/grpc/call.ts';
import { InflateSlots } from '../../src/grpc/gzip/inflate-slots.ts';
import {
  isOneMessage,
  MessageReader,
  type MessageSink,
  messagePrefix,
  prefixBytes,
} from '../../src/grpc/message-framing.ts';
import { ResponseHeads } from '../../src/grpc/native/response-heads.ts';
import { ServedCall, type ServedCallContext } from '../../src/grpc/native/served-call.ts';
import { ok } from '../../src/grpc/status.ts';
import type { CallHandler, Incoming, ServedMethod } from '../../src/grpc/transport.ts';
import { Flag, FrameType } from '../../src/http2/frame.ts';
import { HeaderTemplate, HpackEncoder } from '../../src/http2/hpack/encoder.ts';
import { limits } from '../../src/http2/limits.ts';
import type { ServerConnection } from '../../src/http2/server-connection.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { releaseMemory } from '../../src/runtime/large-memory.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import { memoryOf } from '../../test/support/message-memory.ts';
import { heading, measure } from './measure.ts';
import { frame, RepeatingClient, servedConnection } from './served-connection.ts';

const messageBytesMax = 2_097_152;
const put: ServedMethod = {
  path: '/etcdserverpb.KV/Put',
  requestStream: false,
  responseStream: false,
};
const watch: ServedMethod = {
  path: '/etcdserverpb.Watch/Watch',
  requestStream: true,
  responseStream: true,
};
const fieldsOf = (method: ServedMethod) => [
  ...[':method', 'POST', ':scheme', 'http', ':path', method.path, ':authority', '127.0.0.1:2379'],
  ...['content-type', 'application/grpc', 'user-agent', 'grpc-go/1.71.1', 'te', 'trailers'],
];
// Delivered again and again. It is too small for its memory to be released.
const response = asOwned(Buffer.alloc(20, 7));

/** Responds to each unary call at once, and counts the bytes of all requests. */
class ImmediateHandler implements CallHandler<ServedMethod> {
  readonly methods = new Map([put, watch].map((method) => [method.path, method]));
  requestBytes = 0;
  unary(_: Incoming<ServedMethod>, request: Uint8Array, responses: ResponseSink): CallHandle {
    this.requestBytes += request.length;
    responses.deliver(response);
    responses.end(ok);
    return endedCall;
  }
  stream(): RequestSink {
    const send = (request: Uint8Array) => {
      this.requestBytes += request.length;
    };
    return { ...endedCall, send };
  }
}

function framed(bytes: number): Buffer {
  return Buffer.concat([messagePrefix(bytes), Buffer.alloc(bytes, 7)]);
}

const memory = memoryOf();
const client = { listener: 'bench', remote: '', certificate: null };
const handler = new ImmediateHandler();
function connected(): ServerConnection {
  const context: ServedCallContext<ServedMethod> = {
    handler,
    messageBytesMax,
    memory,
    requests: memory.requestAccount(client),
    inflateSlots: new InflateSlots(),
    clock: systemClock,
    peer: client,
    heads: new ResponseHeads(),
    onFault: (fault) => {
      throw fault;
    },
  };
  return servedConnection((from) => new ServedCall(from, context));
}

function clientOf(data: readonly Buffer[], more: readonly string[] = []): RepeatingClient {
  return new RepeatingClient(connected(), [...fieldsOf(put), ...more], data);
}

/** Opens a stream whose first DATA frames are `first`, and returns a function that sends the next one. */
function streamOf(first: readonly Buffer[], next: Buffer): () => void {
  const connection = connected();
  const head = new HpackEncoder(4_096).encode(new HeaderTemplate(fieldsOf(watch), false));
  connection.receive(frame(FrameType.HEADERS, Flag.END_HEADERS, 1, head));
  for (const data of first) connection.receive(frame(FrameType.DATA, 0, 1, data));
  const bytes = frame(FrameType.DATA, 0, 1, next);
  return () => connection.receive(bytes);
}

heading('unary calls: 256 B in, 20 B out, immediate response');
const request = framed(256);
const whole = clientOf([request]);
const cut = clientOf([request.subarray(0, 100), request.subarray(100)]);
const zipped = gzipSync(request.subarray(prefixBytes));
const compressed = Buffer.concat([Buffer.from([1]), framed(zipped.length).subarray(1, 5), zipped]);
const gzip = clientOf([compressed], ['grpc-encoding', 'gzip']);
for (let i = 0; i < 20_000; i++) {
  whole.send();
  cut.send();
  gzip.send();
}
if (handler.requestBytes !== 60_000 * 256) throw new Error('a request was lost');
measure('the request in one frame', whole.request.length, () => whole.send());
measure('the request cut in two', cut.request.length, () => cut.send());
measure('the request compressed with gzip', gzip.request.length, () => gzip.send());

heading('messages of a stream: 256 B, each in one frame');
const neverCut = streamOf([], request);
const onceCut = streamOf([request.subarray(0, 100), request.subarray(100)], request);
handler.requestBytes = 0;
for (let i = 0; i < 20_000; i++) {
  neverCut();
  onceCut();
}
if (handler.requestBytes !== 40_000 * 256) throw new Error('a message was lost');
measure('no message was cut before', request.length, neverCut);
measure('the first message was cut in two', request.length, onceCut);

heading('messages: 256 B');
let messageBytes = 0;
const sink: MessageSink = {
  keepsMessages: false,
  isMessageUnused: false,
  wantsMessages: true,
  receiveWindow: 16_384,
  withholdWindow() {},
  grantWindow() {},
  onMemoryRefused() {},
  acceptsCompressed: false,
  onCompressed: () => false,
  onMessage(bytes: Buffer): boolean {
    messageBytes += bytes.length;
    return true;
  },
  onBadMessage(_: number, text: string): void {
    throw new Error(text);
  },
};
const reader = new MessageReader(messageBytesMax, memory.requestAccount(client), sink);
measure('one frame, recognized', request.length, () => {
  if (!isOneMessage(request, 0, request.length, messageBytesMax))
    throw new Error('not one message');
  sink.onMessage(request.subarray(prefixBytes));
});
measure('one frame, assembled', request.length, () => {
  reader.feed(request, 0, request.length);
});
measure('cut in two, assembled', request.length, () => {
  reader.feed(request, 0, 100);
  reader.feed(request, 100, request.length);
});
if (messageBytes % 256 !== 0) throw new Error('a message was truncated');

heading('messages: 1 MB in frames of 16 KiB');
const large = framed(1_000_000);
const releasing: MessageSink = {
  ...sink,
  onMessage(bytes: Buffer): boolean {
    releaseMemory(bytes);
    return true;
  },
};
function feedLarge(into: MessageReader): void {
  for (let at = 0; at < large.length; at += limits.frameBytesMax) {
    into.feed(large, at, Math.min(at + limits.frameBytesMax, large.length));
  }
}
const recycling = new MessageReader(messageBytesMax, memory.requestAccount(client), releasing);
const preallocating = new MessageReader(
  messageBytesMax,
  memory.requestAccount(client),
  releasing,
  messageBytesMax,
);
const room = Buffer.alloc(large.length);
measure('its memory left to garbage collection', large.length, () => feedLarge(reader));
measure('its memory released', large.length, () => feedLarge(recycling));
measure('released, its length trusted', large.length, () => feedLarge(preallocating));
measure('  for comparison: one copy into existing memory', large.length, () => room.set(large));
