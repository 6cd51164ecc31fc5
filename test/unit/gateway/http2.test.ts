/** HTTP/2 requests that are not gRPC, frame by frame, over a wire in memory, in front of a scripted etcd. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HttpGateway } from '../../../src/gateway/http-gateway.ts';
import { Http2Exchange } from '../../../src/gateway/http2-exchange.ts';
import { endedCall } from '../../../src/grpc/call.ts';
import { InflateSlots } from '../../../src/grpc/gzip/inflate-slots.ts';
import type { MessageMemory } from '../../../src/grpc/message-memory.ts';
import type { PlainRequestHandler } from '../../../src/grpc/native/plain-request.ts';
import { ResponseHeads } from '../../../src/grpc/native/response-heads.ts';
import { ServedCall } from '../../../src/grpc/native/served-call.ts';
import { FrameType } from '../../../src/http2/frame.ts';
import type { ByteAccount } from '../../../src/runtime/byte-budget.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { frame, type RawPeer, ServerUnderTest, settle, uint32 } from '../../support/raw-http2.ts';
import { until } from '../../support/until.ts';

const endStream = 1;
const endHeaders = 4;
const frameBytes = 16_384;

let etcd: FakeEtcd<'client'>;
let faults: unknown[];
let rejected: string[];
/** Of the gateway, not of the connection. */
let clock: ManualClock;
let memory: MessageMemory;
/** Of the connection's gRPC calls. */
let requests: ByteAccount;
let peer: RawPeer;
/** Requests that reached the gateway. */
let exchanges: Http2Exchange[];

beforeEach(() => {
  etcd = new FakeEtcd();
  faults = [];
  rejected = [];
  exchanges = [];
  clock = new ManualClock();
  memory = memoryOf({ clock, bytesMax: 900_000 });
  const onFault = (fault: unknown) => void faults.push(fault);
  const gateway = new HttpGateway({
    etcd,
    upstream: () => [{ state: 'ready', version: '3.6.1' }],
    ...{ hostNames: [], origins: [], processMetric: async () => '', hasJson: true },
    ...{ memory, messageBytesMax: 100_000, clock, onFault },
    onRejected: (reason) => rejected.push(reason),
  });
  const onPlainRequest: PlainRequestHandler = (stream, head, client) => {
    const exchange = new Http2Exchange(stream, head, client, onFault);
    exchanges.push(exchange);
    gateway.serve(exchange);
    return exchange;
  };
  const client = { listener: 'game', remote: '', certificate: null };
  requests = memory.requestAccount(client);
  const context = {
    handler: { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
    ...{ messageBytesMax: 100_000, memory, requests, clock, onFault, peer: client },
    ...{ inflateSlots: new InflateSlots(), heads: new ResponseHeads(), onPlainRequest },
  };
  const server = new ServerUnderTest(new ManualClock(), {
    acceptor: { accept: (from) => new ServedCall(from, context), onClosed() {} },
  });
  server.begin();
  peer = server.peer;
});

afterEach(() => {
  expect(faults).toEqual([]);
});

/** As of V8, for a response that is too long for a string. */
function tooLong(): never {
  throw new RangeError('Invalid string length');
}

/** Sends the head of a request. */
function begin(streamId: number, path: string, more: string[] = [], method = 'POST'): void {
  const pseudo = [':method', method, ':scheme', 'https', ':path', path, ':authority', 'db.example'];
  const block = peer.block(...pseudo, ...more);
  for (let at = 0; at < block.length; at += frameBytes) {
    const type = at === 0 ? FrameType.HEADERS : FrameType.CONTINUATION;
    const flags = at + frameBytes >= block.length ? endHeaders : 0;
    peer.send(frame(type, flags, streamId, block.subarray(at, at + frameBytes)));
  }
}

function body(streamId: number, text: string, ended = true): void {
  for (let at = 0; at < text.length; at += frameBytes) {
    const flags = ended && at + frameBytes >= text.length ? endStream : 0;
    const bytes = Buffer.from(text.slice(at, at + frameBytes));
    peer.send(frame(FrameType.DATA, flags, streamId, bytes));
  }
}

function bodyOf(streamId: number): string {
  return Buffer.concat(peer.of(FrameType.DATA, streamId).map(({ payload }) => payload)).toString();
}

/** The status of the response, when it is complete. */
async function statusOf(streamId: number): Promise<number> {
  const isEnd = ({ flags }: { flags: number }) => (flags & endStream) !== 0;
  await until('the response', () => peer.frames.some((f) => f.streamId === streamId && isEnd(f)));
  const [head] = peer.of(FrameType.HEADERS, streamId);
  return head === undefined ? 0 : peer.decode(head).status;
}

describe('a stream that is refused', () => {
  const deadline = ['grpc-timeout', '1000H'];

  test.each(['/v3/watch', '/v3/election/observe', '/v3/kv/put'])(
    'before its first message leaves no timer: %s',
    async (path) => {
      begin(1, path, deadline);
      body(1, `{"x":"${'a'.repeat(60_000)}`, false);
      await until('the gateway', () => clock.pendingTimers > 0);
      clock.advance(30_000);
      expect(await statusOf(1)).toBe(504);
      expect(rejected).toEqual(['body-timeout']);
      expect(clock.pendingTimers).toBe(0);
      expect(memory.requests.bytes).toBe(0);
    },
  );

  test('for its first message leaves no timer', async () => {
    begin(1, '/v3/election/observe', deadline);
    body(1, '{');
    expect(await statusOf(1)).toBe(400);
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a request over HTTP/2', () => {
  test('reports its end once: when its response is complete, and when the client resets it', async () => {
    const ends = [0, 0];
    begin(1, '/v3/kv/put');
    begin(3, '/v3/kv/put');
    await until('the requests', () => exchanges.length === 2);
    for (const [i, exchange] of exchanges.entries()) {
      const { onClose } = exchange;
      exchange.onClose = () => {
        ends[i] = (ends[i] ?? 0) + 1;
        onClose?.();
      };
    }
    exchanges[0]?.head(200, []);
    exchanges[0]?.end('{}');
    expect(ends).toEqual([1, 0]);
    for (const id of [1, 3]) peer.send(frame(FrameType.RST_STREAM, 0, id, uint32(8)));
    await settle();
    expect(ends).toEqual([1, 1]);
  });

  test('whose call throws is cancelled', async () => {
    begin(1, '/v3/watch', ['grpc-timeout', '1000H']);
    await until('the gateway', () => clock.pendingTimers > 0);
    etcd.onCall = () => {
      throw new Error('bug');
    };
    body(1, '{"create_request":{}}', false);
    await until('the reset', () => peer.resetCode(1) !== null);
    expect(faults.splice(0)).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('whose response cannot be converted is reset', async () => {
    begin(1, '/v3/kv/range', ['grpc-timeout', '1000H']);
    body(1, '{}');
    await until('the call', () => etcd.calls.length === 1);
    const response = Object.defineProperty(new Uint8Array(1), 'buffer', { get: tooLong });
    etcd.last.respond(response);
    await until('the reset', () => peer.resetCode(1) !== null);
    expect(faults.splice(0)).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test('for the head of a page gets no body', async () => {
    begin(1, '/version', [], 'HEAD');
    begin(3, '/nothing', [], 'HEAD');
    begin(5, '/v3/kv/range', [], 'HEAD');
    expect([await statusOf(1), await statusOf(3), await statusOf(5)]).toEqual([405, 404, 501]);
    expect([bodyOf(1), bodyOf(3), bodyOf(5)]).toEqual(['', '', '']);
  });

  test('counts with the gRPC requests of its connection', async () => {
    begin(1, '/v3/kv/put');
    body(1, `{"value":"${'a'.repeat(40_000)}`, false);
    await until('the body', () => memory.requests.bytes >= 40_000);
    expect(requests.bytes).toBe(memory.requests.bytes);
  });

  test('is a call with the name of the server that the client has dialed', async () => {
    begin(1, '/v3/cluster/member/list');
    body(1, '{}');
    await until('the call', () => etcd.calls.length === 1);
    expect(etcd.last.call.authority).toBe('db.example');
  });

  test('with a head of more than 16 KiB is rejected before the gateway', async () => {
    begin(1, '/v3/kv/put', ['x-long', 'x'.repeat(16_000)]);
    await until('the first request', () => exchanges.length === 1);
    begin(3, '/v3/kv/put', ['x-long', 'x'.repeat(17_000)]);
    expect(await statusOf(3)).toBe(431);
    expect(exchanges).toHaveLength(1);
    body(1, '{"key":"YQ=="}');
    await until('the call', () => etcd.calls.length === 1);
  });
});
