/**
 * The contract of the seam in src/grpc/transport.ts as tests, for any pair of transports: the same suite runs over
 * grpc-js and over the native engine, alone and mixed. It uses loopback only and closes what it opens.
 */
import { statSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CallHandle, RequestSink, ResponseSink } from '../../src/grpc/call.ts';
import { metadataValue } from '../../src/grpc/metadata.ts';
import { Code, ok, type Status, status } from '../../src/grpc/status.ts';
import type {
  CallHandler,
  Channel,
  ClientTransport,
  DialOptions,
  Incoming,
  Listener,
  ListenOptions,
  ServedMethod,
  ServerTransport,
} from '../../src/grpc/transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import { CertificateAuthority, type KeyPair } from './certificates.ts';
import { TemporaryDirectory } from './temporary-directory.ts';

export interface TransportPair {
  readonly server: ServerTransport;
  readonly client: ClientTransport;
  /** Faults that the pair reported through its options, to be found empty or expected. */
  readonly faults: unknown[];
}

const waitMsMax = 5_000;

const unaryMethod: ServedMethod = {
  path: '/test.Echo/Unary',
  requestStream: false,
  responseStream: false,
};
const serverStream: ServedMethod = {
  path: '/test.Echo/Many',
  requestStream: false,
  responseStream: true,
};
const bidi: ServedMethod = { path: '/test.Echo/Chat', requestStream: true, responseStream: true };
const methods = new Map([unaryMethod, serverStream, bidi].map((m) => [m.path, m]));

const bytes = (text: string) => Buffer.from(text);
const text = (message: Uint8Array | undefined) => Buffer.from(message ?? []).toString();

/** Resolves once `condition` holds; the message of a failure names what was waited for. */
async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + waitMsMax;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** A reply that remembers. */
class Heard implements ResponseSink {
  readonly messages: Uint8Array[] = [];
  status: Status | null = null;
  pauses = 0;
  resumes = 0;
  statuses = 0;

  deliver(message: Uint8Array): void {
    this.messages.push(message);
  }
  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }
  end(ended: Status): void {
    this.status = ended;
    this.statuses += 1;
  }
  pauseRequests(): void {
    this.pauses += 1;
  }
  resumeRequests(): void {
    this.resumes += 1;
  }
  async ended(): Promise<Status> {
    await until('the end of the call', () => this.status !== null);
    return this.status as Status;
  }
}

/** A call as a handler sees it, remembered. */
class Served implements RequestSink {
  readonly incoming: Incoming<ServedMethod>;
  readonly reply: ResponseSink;
  readonly messages: Uint8Array[] = [];
  ends = 0;
  cancels = 0;
  pauses = 0;
  resumes = 0;

  constructor(incoming: Incoming<ServedMethod>, reply: ResponseSink) {
    this.incoming = incoming;
    this.reply = reply;
  }
  send(message: Uint8Array): void {
    this.messages.push(message);
    if (text(message) === 'throw') throw new Error('a layer broke');
  }
  halfClose(): void {
    this.ends += 1;
  }
  cancel(): void {
    this.cancels += 1;
  }
  pauseResponses(): void {
    this.pauses += 1;
  }
  resumeResponses(): void {
    this.resumes += 1;
  }
  /** Delivers a copy, which the transport owns. */
  deliver(message: Uint8Array): void {
    this.reply.deliver(asOwned(Buffer.from(message)));
  }
}

/** Remembers its calls; `onCall` may answer them. */
class Handler implements CallHandler<ServedMethod> {
  readonly methods = methods;
  readonly calls: Served[] = [];
  onCall: (call: Served) => void = () => {};

  unary(incoming: Incoming<ServedMethod>, request: Uint8Array, reply: ResponseSink): CallHandle {
    const call = new Served(incoming, reply);
    call.messages.push(request);
    this.calls.push(call);
    this.onCall(call);
    return call;
  }
  stream(incoming: Incoming<ServedMethod>, reply: ResponseSink): RequestSink {
    const call = new Served(incoming, reply);
    this.calls.push(call);
    this.onCall(call);
    return call;
  }
  async call(index = 0): Promise<Served> {
    await until(`call ${index}`, () => this.calls.length > index);
    return this.calls[index] as Served;
  }
}

const listenOptions: ListenOptions = {
  name: 'local',
  address: { host: '127.0.0.1', port: 0 },
  tls: null,
  messageBytesMax: 2_097_152,
  streamsMax: Infinity,
};

const dialOptions = { tls: null, keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000 };

function portOf(listener: Listener): number {
  return Number(listener.address.slice(listener.address.lastIndexOf(':') + 1));
}

async function ready(channel: Channel): Promise<Channel> {
  await until(`a ready channel (${channel.failure})`, () => channel.state === 'ready');
  return channel;
}

/** A listener, a handler behind it and a ready channel to it. */
class Loop implements AsyncDisposable {
  readonly pair: TransportPair;
  readonly handler: Handler;
  readonly listener: Listener;
  readonly channel: Channel;

  private constructor(pair: TransportPair, handler: Handler, listener: Listener, channel: Channel) {
    this.pair = pair;
    this.handler = handler;
    this.listener = listener;
    this.channel = channel;
  }
  static async open(
    pair: TransportPair,
    listen: Partial<ListenOptions> = {},
    dial: Partial<DialOptions> = {},
  ): Promise<Loop> {
    const handler = new Handler();
    const listener = await pair.server.listen({ ...listenOptions, ...listen }, handler);
    const address =
      listen.address !== undefined && 'path' in listen.address
        ? listen.address
        : { host: '127.0.0.1', port: portOf(listener) };
    const channel = await ready(pair.client.dial({ ...dialOptions, address, ...dial }));
    return new Loop(pair, handler, listener, channel);
  }
  unary(message = 'hello', head = {}): Heard & { call: CallHandle } {
    const heard = new Heard();
    const call = this.channel.unary(
      { path: unaryMethod.path, metadata: [], timeoutMs: Infinity, ...head },
      bytes(message),
      heard,
    );
    return Object.assign(heard, { call });
  }
  stream(method = bidi, head = {}): Heard & { call: RequestSink } {
    const heard = new Heard();
    const call = this.channel.stream(
      { path: method.path, metadata: [], timeoutMs: Infinity, ...head },
      heard,
    );
    return Object.assign(heard, { call });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.channel.close();
    await this.listener.drain(0);
  }
}

/** A TCP forwarder whose connections can be cut. */
class Wire implements AsyncDisposable {
  readonly #server = createServer((down) => this.#join(down));
  readonly #sockets = new Set<Socket>();
  readonly #toPort: number;

  constructor(toPort: number) {
    this.#toPort = toPort;
  }
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  }
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
  #join(down: Socket): void {
    const up = connect(this.#toPort, '127.0.0.1');
    for (const socket of [down, up]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        down.destroy();
        up.destroy();
      });
    }
    down.pipe(up).pipe(down);
  }
}

/** What a pair is known not to do, each explained where the transport is. Keep it short. */
export interface Deviations {
  /** Messages that still wait for a paused caller are dropped when a failing status arrives. */
  readonly dropsMessagesBeforeFailure?: boolean;
  /** A stream over the limit is reset with ENHANCE_YOUR_CALM, so its caller cannot know that it was not begun. */
  readonly resetsStreamsOverLimit?: boolean;
  /** The server answers DeadlineExceeded by itself, perhaps before the client gives up. */
  readonly serverEnforcesDeadlines?: boolean;
}

export function transportSuite(
  name: string,
  makePair: () => TransportPair,
  deviations: Deviations = {},
): void {
  describe(`${name}: unary calls`, () => {
    test('request and answer arrive byte for byte', async () => {
      await using loop = await Loop.open(makePair());
      const everyByte = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      loop.handler.onCall = (call) => {
        call.deliver(call.messages[0] ?? bytes(''));
        call.reply.end(ok);
      };
      const heard = new Heard();
      const head = { path: unaryMethod.path, metadata: [], timeoutMs: Infinity };
      loop.channel.unary(head, everyByte, heard);
      expect(await heard.ended()).toEqual(ok);
      expect(heard.messages.map((m) => Buffer.from(m))).toEqual([everyByte]);
    });

    test('an empty message and one of 1.4 MB arrive whole', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => {
        call.deliver(call.messages[0] ?? bytes('missing'));
        call.reply.end(ok);
      };
      for (const message of ['', 'x'.repeat(1_400_000)]) {
        const heard = loop.unary(message);
        expect((await heard.ended()).code).toBe(Code.OK);
        expect(text(heard.messages[0])).toBe(message);
      }
    });

    test.each([
      [Code.OUT_OF_RANGE, 'etcdserver: mvcc: required revision has been compacted'],
      [Code.UNAVAILABLE, 'etcdserver: no leader'],
      [Code.INVALID_ARGUMENT, 'text with 100 %, "quotes", /slashes, ümlauts, 日本 and a\nnewline'],
      [Code.UNKNOWN, ''],
      [Code.CANCELLED, 'etcdserver: request canceled'],
    ])('status %i arrives with exactly its text: %s', async (code, words) => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => call.reply.end(status(code, words));
      const ended = await loop.unary().ended();
      expect(ended).toMatchObject({ code, text: words, origin: 'peer' });
    });

    test('trailers arrive, binary ones too, with a failure and with a success', async () => {
      await using loop = await Loop.open(makePair());
      const trailers = [
        'etcd-bulkhead-reason',
        'breaker-open',
        'detail-bin',
        'AAH/',
        'twice',
        'a',
        'twice',
        'b',
      ];
      loop.handler.onCall = (call) => {
        const isFine = text(call.messages[0]) === 'fine';
        if (isFine) call.deliver(bytes('x'));
        call.reply.end(
          isFine ? { ...ok, trailers } : status(Code.UNAVAILABLE, 'no', 'proxy', trailers),
        );
      };
      for (const request of ['fine', 'not fine']) {
        const ended = await loop.unary(request).ended();
        expect(metadataValue(ended.trailers, 'etcd-bulkhead-reason')).toBe('breaker-open');
        expect(Buffer.from(metadataValue(ended.trailers, 'detail-bin') ?? '', 'base64')).toEqual(
          Buffer.from([0, 1, 255]),
        );
        const values = ended.trailers.filter((_, i) => ended.trailers[i - 1] === 'twice' && i % 2);
        expect(values.join().replaceAll(' ', '')).toBe('a,b');
        expect(ended.origin).toBe('peer');
      }
    });

    test('a handler may answer before its function returns, and later', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => {
        if (text(call.messages[0]) === 'now') call.reply.end(status(Code.NOT_FOUND, 'now'));
      };
      expect((await loop.unary('now').ended()).text).toBe('now');
      const later = loop.unary('later');
      const call = await loop.handler.call(1);
      call.reply.end(status(Code.NOT_FOUND, 'later'));
      expect((await later.ended()).text).toBe('later');
    });

    test('metadata reaches the handler, names in lower case, binary values as base64', async () => {
      await using loop = await Loop.open(makePair());
      loop.unary('x', { metadata: ['hasleader', 'true', 'token', 'a b~c', 'blob-bin', 'AAH/'] });
      const { metadata } = (await loop.handler.call()).incoming;
      expect(metadataValue(metadata, 'hasleader')).toBe('true');
      expect(metadataValue(metadata, 'token')).toBe('a b~c');
      expect(Buffer.from(metadataValue(metadata, 'blob-bin') ?? '', 'base64')).toEqual(
        Buffer.from([0, 1, 255]),
      );
      expect(metadata.some((entry) => entry.startsWith(':'))).toBe(false);
    });

    test('metadata that no header can carry fails its call alone', async () => {
      await using loop = await Loop.open(makePair());
      const ended = await loop.unary('x', { metadata: ['token', 'line\nbreak'] }).ended();
      expect(ended).toMatchObject({ code: Code.INTERNAL, origin: 'proxy' });
      expect(loop.handler.calls).toHaveLength(0);
    });

    test('the deadline travels, on the clock of the other side', async () => {
      await using loop = await Loop.open(makePair());
      const call = loop.unary('x', { timeoutMs: 5_000 }).call;
      const { deadlineMs } = (await loop.handler.call()).incoming;
      const remaining = deadlineMs - systemClock.nowMs();
      expect(remaining).toBeGreaterThan(4_000);
      expect(remaining).toBeLessThanOrEqual(5_100);
      call.cancel();
      loop.unary('x');
      expect((await loop.handler.call(1)).incoming.deadlineMs).toBe(Infinity);
    });

    test('a call whose deadline passes ends with DeadlineExceeded, and the handler is told', async () => {
      await using loop = await Loop.open(makePair());
      const ended = await loop.unary('x', { timeoutMs: 60 }).ended();
      expect(ended.code).toBe(Code.DEADLINE_EXCEEDED);
      if (!deviations.serverEnforcesDeadlines) expect(ended.origin).toBe('proxy');
      const call = await loop.handler.call();
      await until('the handler to be cancelled', () => call.cancels === 1);
    });

    test('cancelling reaches the handler once, and the caller hears no more', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.unary();
      const call = await loop.handler.call();
      heard.call.cancel();
      heard.call.cancel();
      await until('the handler to be cancelled', () => call.cancels === 1);
      call.deliver(bytes('too late'));
      call.reply.end(ok);
      loop.unary().call.cancel();
      expect(heard.messages).toEqual([]);
      expect(heard.status).toBeNull();
    });

    test('a finished call is never cancelled', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => {
        call.deliver(bytes('x'));
        call.reply.end(ok);
      };
      for (let i = 0; i < 20; i += 1) await loop.unary().ended();
      expect(loop.handler.calls.map((call) => call.cancels)).toEqual(Array(20).fill(0));
    });

    test('a hundred calls at once on one connection keep apart', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => {
        call.deliver(call.messages[0] ?? bytes(''));
        call.reply.end(ok);
      };
      const calls = Array.from({ length: 100 }, (_, i) => loop.unary(`call ${i}`));
      await Promise.all(calls.map((heard) => heard.ended()));
      expect(calls.map((heard) => text(heard.messages[0]))).toEqual(
        calls.map((_, i) => `call ${i}`),
      );
      expect(new Set(loop.handler.calls.map((call) => call.incoming.peer)).size).toBe(1);
    });

    test('unknown services and methods are Unimplemented', async () => {
      await using loop = await Loop.open(makePair());
      for (const path of ['/test.Echo/Nothing', '/no.Such/Thing']) {
        const ended = await loop.unary('x', { path }).ended();
        expect(ended).toMatchObject({ code: Code.UNIMPLEMENTED, origin: 'peer' });
      }
      expect(loop.handler.calls).toHaveLength(0);
    });

    test('a message over the limit is ResourceExhausted, and the connection lives on', async () => {
      await using loop = await Loop.open(makePair(), { messageBytesMax: 1_000 });
      loop.handler.onCall = (call) => call.reply.end(status(Code.NOT_FOUND, 'seen'));
      const ended = await loop.unary('x'.repeat(1_001)).ended();
      expect(ended.code).toBe(Code.RESOURCE_EXHAUSTED);
      expect(ended.text).toMatch(/received message larger than max \(1001 vs\.? 1000\)/i);
      expect((await loop.unary('x'.repeat(1_000)).ended()).text).toBe('seen');
    });

    test('a handler that throws costs its own call an Internal, and nobody else anything', async () => {
      const pair = makePair();
      await using loop = await Loop.open(pair);
      loop.handler.onCall = (call) => {
        if (text(call.messages[0]) === 'throw') throw new Error('a layer broke');
        call.reply.end(status(Code.NOT_FOUND, 'fine'));
      };
      const [broken, fine] = [loop.unary('throw'), loop.unary('x')];
      expect(await broken.ended()).toMatchObject({
        code: Code.INTERNAL,
        text: 'etcd-bulkhead: internal error',
      });
      expect((await fine.ended()).text).toBe('fine');
      expect(pair.faults).toHaveLength(1);
    });
  });

  describe(`${name}: streams`, () => {
    test('messages flow both ways in order, and the status follows the last', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      const call = await loop.handler.call();
      for (let i = 0; i < 50; i += 1) {
        heard.call.send(bytes(`up ${i}`));
        call.deliver(bytes(`down ${i}`));
      }
      heard.call.halfClose();
      await until('half-close', () => call.ends === 1);
      call.reply.end(status(Code.OK, ''));
      expect((await heard.ended()).code).toBe(Code.OK);
      expect(call.messages.map(text)).toEqual(Array.from({ length: 50 }, (_, i) => `up ${i}`));
      expect(heard.messages.map(text)).toEqual(Array.from({ length: 50 }, (_, i) => `down ${i}`));
      expect(heard.statuses).toBe(1);
    });

    test('after half-close answers keep flowing', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      heard.call.send(bytes('watch'));
      heard.call.halfClose();
      const call = await loop.handler.call();
      await until('half-close', () => call.ends === 1);
      for (let i = 0; i < 3; i += 1) {
        call.deliver(bytes(`event ${i}`));
        await until(`event ${i}`, () => heard.messages.length === i + 1);
      }
      expect(heard.status).toBeNull();
      call.reply.end(status(Code.UNAVAILABLE, 'etcdserver: server stopped'));
      expect((await heard.ended()).text).toBe('etcdserver: server stopped');
    });

    test('a stream of answers to one request', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => {
        call.deliver(bytes('1'));
        call.deliver(bytes('2'));
      };
      const heard = loop.stream(serverStream);
      heard.call.send(bytes('list'));
      heard.call.halfClose();
      const call = await loop.handler.call();
      await until('the whole request', () => call.ends === 1);
      expect(call.messages.map(text)).toEqual(['list']);
      call.deliver(bytes('3'));
      call.reply.end(ok);
      await heard.ended();
      expect(heard.messages.map(text)).toEqual(['1', '2', '3']);
    });

    test('messages sent before a failing status arrive before it', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      const call = await loop.handler.call();
      for (let i = 0; i < 10; i += 1) call.deliver(bytes(`${i}`));
      call.reply.end(status(Code.UNAVAILABLE, 'end'));
      expect((await heard.ended()).text).toBe('end');
      expect(heard.messages).toHaveLength(10);
    });

    const dropped = deviations.dropsMessagesBeforeFailure === true;
    test(`messages that wait for a paused caller ${dropped ? 'are dropped by' : 'arrive before'} a failing status`, async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      heard.call.pauseResponses();
      const call = await loop.handler.call();
      for (let i = 0; i < 10; i += 1) call.deliver(bytes(`${i}`));
      call.reply.end(status(Code.UNAVAILABLE, 'end'));
      await new Promise((resolve) => setTimeout(resolve, 50));
      heard.call.resumeResponses();
      expect((await heard.ended()).text).toBe('end');
      if (dropped) expect(heard.messages.length).toBeLessThan(10);
      else expect(heard.messages).toHaveLength(10);
    });

    test('a stream may end before the client has sent anything', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => call.reply.end(status(Code.PERMISSION_DENIED, 'no'));
      const heard = loop.stream();
      expect(await heard.ended()).toMatchObject({ code: Code.PERMISSION_DENIED, text: 'no' });
      heard.call.send(bytes('into the void'));
      heard.call.halfClose();
      expect((await loop.handler.call()).cancels).toBe(0);
    });

    test('cancelling a stream reaches the handler, and other streams live on', async () => {
      await using loop = await Loop.open(makePair());
      const [first, second] = [loop.stream(), loop.stream()];
      const [cancelled, alive] = [await loop.handler.call(0), await loop.handler.call(1)];
      first.call.cancel();
      await until('the cancellation', () => cancelled.cancels === 1);
      alive.deliver(bytes('still here'));
      await until('a message', () => second.messages.length === 1);
      expect(alive.cancels).toBe(0);
      expect(first.status).toBeNull();
    });

    test('a stream cancelled in the turn it was started in leaves nothing open', async () => {
      await using loop = await Loop.open(makePair());
      for (let i = 0; i < 10; i += 1) {
        const heard = loop.stream();
        heard.call.send(bytes('create'));
        heard.call.cancel();
      }
      loop.unary();
      await until('the call after them', () =>
        loop.handler.calls.some((call) => call.incoming.method === unaryMethod),
      );
      const streams = () => loop.handler.calls.filter((call) => call.incoming.method === bidi);
      await until('all to be cancelled', () => streams().every((call) => call.cancels === 1));
    });

    test('a handler that throws on a message ends that stream with Internal', async () => {
      const pair = makePair();
      await using loop = await Loop.open(pair);
      const [broken, fine] = [loop.stream(), loop.stream()];
      broken.call.send(bytes('throw'));
      fine.call.send(bytes('x'));
      expect((await broken.ended()).code).toBe(Code.INTERNAL);
      const call = await loop.handler.call(1);
      await until('the other stream', () => call.messages.length === 1);
      expect(fine.status).toBeNull();
      expect(pair.faults).toHaveLength(1);
    });

    test('a reply that throws ends its call, and no other', async () => {
      const pair = makePair();
      await using loop = await Loop.open(pair);
      const heard = new Heard();
      heard.deliver = () => {
        throw new Error('a layer broke');
      };
      loop.channel.stream({ path: bidi.path, metadata: [], timeoutMs: Infinity }, heard);
      const other = loop.stream();
      const [call, otherCall] = [await loop.handler.call(0), await loop.handler.call(1)];
      call.deliver(bytes('x'));
      expect((await heard.ended()).code).toBe(Code.INTERNAL);
      await until('the handler to be cancelled', () => call.cancels === 1);
      otherCall.deliver(bytes('y'));
      await until('the other stream', () => other.messages.length === 1);
      expect(pair.faults).toHaveLength(1);
    });
  });

  describe(`${name}: back-pressure`, () => {
    const block = Buffer.alloc(65_536, 'b');

    test('a caller that pauses makes the handler pause, and all arrives after it resumes', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      heard.call.pauseResponses();
      const call = await loop.handler.call();
      let sent = 0;
      while (call.pauses === 0 && sent < 1_000) {
        call.deliver(block);
        sent += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(call.pauses).toBe(1);
      expect(heard.messages.length).toBeLessThan(sent);
      heard.call.resumeResponses();
      await until('the handler to be resumed', () => call.resumes === 1);
      await until('all messages', () => heard.messages.length === sent);
      expect(heard.messages.every((m) => m.length === block.length)).toBe(true);
    });

    test('a handler that pauses makes the caller pause, and all arrives after it resumes', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      const call = await loop.handler.call();
      call.reply.pauseRequests();
      let sent = 0;
      while (heard.pauses === 0 && sent < 1_000) {
        heard.call.send(block);
        sent += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(heard.pauses).toBe(1);
      expect(call.messages.length).toBeLessThan(sent);
      call.reply.resumeRequests();
      await until('the caller to be resumed', () => heard.resumes === 1);
      await until('all messages', () => call.messages.length === sent);
    });

    test('a stream that is paused does not hold up its neighbours on the connection', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      heard.call.pauseResponses();
      const call = await loop.handler.call();
      for (let i = 0; i < 40; i += 1) call.deliver(block);
      loop.handler.onCall = (unary) => {
        unary.deliver(block);
        unary.reply.end(ok);
      };
      for (let i = 0; i < 10; i += 1) expect((await loop.unary().ended()).code).toBe(Code.OK);
    });
  });

  describe(`${name}: connections`, () => {
    test('a channel says when it is ready, why it is not, and comes back by itself', async () => {
      const pair = makePair();
      const handler = new Handler();
      const first = await pair.server.listen(listenOptions, handler);
      const port = portOf(first);
      const channel = pair.client.dial({ ...dialOptions, address: { host: '127.0.0.1', port } });
      const states: string[] = [channel.state];
      channel.onState = () => states.push(channel.state);
      try {
        expect(channel.state).toBe('connecting');
        await ready(channel);
        await first.drain(0);
        await until('a refused connection', () => /ECONNREFUSED/.test(channel.failure));
        expect(channel.state).toBe('failed');
        expect(channel.failure).toBe(`connect ECONNREFUSED 127.0.0.1:${port}`);
        const heard = new Heard();
        channel.unary(
          { path: unaryMethod.path, metadata: [], timeoutMs: Infinity },
          bytes('x'),
          heard,
        );
        expect(heard.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
        const second = await pair.server.listen(
          { ...listenOptions, address: { host: '127.0.0.1', port } },
          handler,
        );
        await ready(channel);
        expect(channel.failure).toBe('');
        expect(states.indexOf('failed')).toBeGreaterThan(states.indexOf('ready'));
        channel.close();
        expect(channel.state).toBe('closed');
        await second.drain(0);
      } finally {
        channel.close();
      }
    });

    test('calls on a channel that is still connecting end at once, unsent', () => {
      const channel = makePair().client.dial({
        ...dialOptions,
        address: { host: '127.0.0.1', port: 1 },
      });
      const [unary, stream] = [new Heard(), new Heard()];
      const head = { path: unaryMethod.path, metadata: [], timeoutMs: Infinity };
      channel.unary(head, bytes('x'), unary);
      channel.stream({ ...head, path: bidi.path }, stream);
      channel.close();
      for (const heard of [unary, stream]) {
        expect(heard.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'unsent' });
      }
    });

    test('a connection cut in mid-call: unary call and stream are lost, their handlers cancelled', async () => {
      const pair = makePair();
      await using loop = await Loop.open(pair);
      await using wire = new Wire(portOf(loop.listener));
      const port = await wire.listen();
      const channel = await ready(
        pair.client.dial({ ...dialOptions, address: { host: '127.0.0.1', port } }),
      );
      const [unary, stream] = [new Heard(), new Heard()];
      channel.unary(
        { path: unaryMethod.path, metadata: [], timeoutMs: Infinity },
        bytes('x'),
        unary,
      );
      channel.stream({ path: bidi.path, metadata: [], timeoutMs: Infinity }, stream);
      await loop.handler.call(1);
      for (const call of loop.handler.calls) {
        if (call.incoming.method === bidi) call.deliver(bytes('event'));
      }
      await until('an event', () => stream.messages.length === 1);
      wire.cut();
      for (const heard of [unary, stream]) {
        expect(await heard.ended()).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
      }
      await until('handlers to be cancelled', () =>
        loop.handler.calls.every((c) => c.cancels === 1),
      );
      await ready(channel);
      channel.close();
    });

    test('closing a channel loses its open calls', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.stream();
      const call = await loop.handler.call();
      loop.channel.close();
      expect(heard.status).toMatchObject({ code: Code.UNAVAILABLE, origin: 'lost' });
      await until('the handler to be cancelled', () => call.cancels === 1);
      expect(heard.statuses).toBe(1);
    });

    test('two channels to one address are two connections', async () => {
      const pair = makePair();
      await using loop = await Loop.open(pair);
      const other = await ready(
        pair.client.dial({
          ...dialOptions,
          address: { host: '127.0.0.1', port: portOf(loop.listener) },
        }),
      );
      loop.stream();
      other.stream({ path: bidi.path, metadata: [], timeoutMs: Infinity }, new Heard());
      await loop.handler.call(1);
      const [first, second] = loop.handler.calls.map((call) => call.incoming.peer);
      expect(first).not.toBe(second);
      expect(first).toMatchObject({ listener: 'local', certificate: null });
      expect(first?.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      other.close();
    });

    test('a Unix socket serves, for owner and group only, and replaces one that a dead process left', async () => {
      using directory = new TemporaryDirectory('socket');
      const path = join(directory.path, 'etcd.sock');
      const abandoned = createServer();
      await new Promise<void>((resolve) => abandoned.listen(path, resolve));
      await expect(
        makePair().server.listen({ ...listenOptions, address: { path } }, new Handler()),
      ).rejects.toThrow(/EADDRINUSE/);
      await new Promise((resolve) => abandoned.close(resolve));
      await using loop = await Loop.open(makePair(), { address: { path } });
      expect(loop.listener.address).toBe(path);
      expect(statSync(path).mode & 0o777).toBe(0o660);
      loop.handler.onCall = (call) => call.reply.end(status(Code.NOT_FOUND, 'over unix'));
      expect((await loop.unary().ended()).text).toBe('over unix');
      expect(loop.handler.calls[0]?.incoming.peer.remote).toBe('');
    });

    test('an address that is taken is refused in the system’s words', async () => {
      const pair = makePair();
      await using loop = await Loop.open(pair);
      const address = { host: '127.0.0.1', port: portOf(loop.listener) };
      await expect(
        pair.server.listen({ ...listenOptions, address }, new Handler()),
      ).rejects.toThrow(`listen EADDRINUSE: address already in use 127.0.0.1:${address.port}`);
    });

    test('over the limit of streams further calls wait or are refused, and none is served', async () => {
      await using loop = await Loop.open(makePair(), { streamsMax: 2 });
      const calls = [loop.stream(), loop.stream()];
      await loop.handler.call(1);
      const third = loop.stream();
      await loop.handler.call(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(loop.handler.calls).toHaveLength(2);
      for (const heard of calls) heard.call.cancel();
      await until('the third', () => third.status !== null || loop.handler.calls.length === 3);
      const origin = deviations.resetsStreamsOverLimit ? 'lost' : 'unsent';
      if (third.status !== null) expect(third.status).toMatchObject({ origin });
    });
  });

  describe(`${name}: drain`, () => {
    test('an idle listener is gone at once', async () => {
      await using loop = await Loop.open(makePair());
      expect(await loop.listener.drain(5_000)).toBe(0);
    });

    test('open calls may finish, new connections are refused', async () => {
      await using loop = await Loop.open(makePair());
      const heard = loop.unary();
      const call = await loop.handler.call();
      const drained = loop.listener.drain(5_000);
      await until('refused connections', () => /ECONNREFUSED/.test(loop.channel.failure));
      call.deliver(bytes('x'));
      call.reply.end(ok);
      expect((await heard.ended()).code).toBe(Code.OK);
      expect(await drained).toBe(0);
    });

    test('calls that outlast the time are counted and cut off', async () => {
      await using loop = await Loop.open(makePair());
      const heard = [loop.stream(), loop.stream(), loop.unary()];
      await loop.handler.call(2);
      expect(await loop.listener.drain(50)).toBe(3);
      for (const each of heard) expect((await each.ended()).origin).toBe('lost');
      await until('handlers to be cancelled', () =>
        loop.handler.calls.every((c) => c.cancels === 1),
      );
    });
  });

  describe(`${name}: TLS`, () => {
    let authority: CertificateAuthority;
    let server: KeyPair;
    beforeAll(() => {
      authority = new CertificateAuthority();
      server = authority.issue({
        name: '/CN=etcd',
        alternativeNames: 'IP:127.0.0.1,DNS:etcd.example',
      });
    });
    afterAll(() => authority[Symbol.dispose]());

    const serverTls = (clients: boolean) => ({
      certificate: server.certificate,
      key: server.key,
      clientAuthorities: clients ? authority.certificate : null,
    });
    const clientTls = (pair: KeyPair | null = null) => ({
      authorities: authority.certificate,
      certificate: pair?.certificate ?? null,
      key: pair?.key ?? null,
      serverName: null,
      skipVerification: false,
    });

    test('a call over TLS without a client certificate has no identity', async () => {
      await using loop = await Loop.open(
        makePair(),
        { tls: serverTls(false) },
        { tls: clientTls() },
      );
      loop.unary();
      expect((await loop.handler.call()).incoming.peer.certificate).toBeNull();
    });

    test('the client certificate’s names arrive exactly, also ones made to look like several', async () => {
      const crafted = 'URI:spiffe://games/a\\, URI:spiffe://games/b';
      const client = authority.issue({
        name: '/O=games/CN=first/CN=alice, CN=bob',
        alternativeNames: `DNS:game.example,DNS:*.wild.example,${crafted.replace('\\,', '%2C')},URI:spiffe://games/alice`,
      });
      await using loop = await Loop.open(
        makePair(),
        { tls: serverTls(true) },
        { tls: clientTls(client) },
      );
      loop.unary();
      expect((await loop.handler.call()).incoming.peer.certificate).toEqual({
        commonName: 'alice, CN=bob',
        uris: ['spiffe://games/a%2C URI:spiffe://games/b', 'spiffe://games/alice'],
        dnsNames: ['game.example', '*.wild.example'],
      });
    });

    test('without a certificate that the authority signed nobody gets in', async () => {
      const pair = makePair();
      using other = new CertificateAuthority('another authority');
      const handler = new Handler();
      const listener = await pair.server.listen(
        { ...listenOptions, tls: serverTls(true) },
        handler,
      );
      const address = { host: '127.0.0.1', port: portOf(listener) };
      for (const stranger of [null, other.issue({ name: '/CN=alice' })]) {
        const channel = pair.client.dial({ ...dialOptions, address, tls: clientTls(stranger) });
        await until('a failed handshake', () => channel.state === 'failed');
        channel.close();
      }
      expect(handler.calls).toHaveLength(0);
      await listener.drain(0);
    });

    test('a server is verified: authority, name, an override of the name, or not at all', async () => {
      const pair = makePair();
      using other = new CertificateAuthority('another authority');
      await using loop = await Loop.open(pair, { tls: serverTls(false) }, { tls: clientTls() });
      const address = { host: '127.0.0.1', port: portOf(loop.listener) };
      const dial = (tls: object) =>
        pair.client.dial({ ...dialOptions, address, tls: { ...clientTls(), ...tls } });
      const unknown = dial({ authorities: other.certificate });
      const misnamed = dial({ serverName: 'other.example' });
      await until('both to fail', () => unknown.state === 'failed' && misnamed.state === 'failed');
      expect(unknown.failure).toMatch(/certificate|issuer/i);
      expect(misnamed.failure).toMatch(/other\.example/);
      const named = await ready(dial({ serverName: 'etcd.example' }));
      const careless = await ready(dial({ serverName: 'other.example', skipVerification: true }));
      for (const channel of [unknown, misnamed, named, careless]) channel.close();
    });

    test('drain ends connections under TLS as well', async () => {
      await using loop = await Loop.open(
        makePair(),
        { tls: serverTls(false) },
        { tls: clientTls() },
      );
      loop.stream();
      await loop.handler.call();
      expect(await loop.listener.drain(50)).toBe(1);
      await until('the loss', () => loop.channel.state !== 'ready');
    });
  });

  describe(`${name}: peers that do not behave`, () => {
    /** A TCP server that does `onConnection` and nothing else. */
    async function tcpServer(onConnection: (socket: Socket) => void) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => {});
        onConnection(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const bound = server.address();
      return {
        port: typeof bound === 'object' && bound !== null ? bound.port : 0,
        async [Symbol.asyncDispose]() {
          for (const socket of sockets) socket.destroy();
          await new Promise((resolve) => server.close(resolve));
        },
      };
    }

    test.each(['HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', '\0'.repeat(100)])(
      'a server that answers %j is a failed channel with a reason',
      async (garbage) => {
        await using server = await tcpServer((socket) => socket.end(garbage));
        const channel = makePair().client.dial({
          ...dialOptions,
          address: { host: '127.0.0.1', port: server.port },
        });
        await until('the failure', () => channel.state === 'failed');
        expect(channel.failure).not.toBe('');
        channel.close();
      },
    );

    test('a server that accepts and stays silent is given up, with a reason, with TLS and without', async () => {
      await using server = await tcpServer(() => {});
      const address = { host: '127.0.0.1', port: server.port };
      const tls = {
        authorities: null,
        certificate: null,
        key: null,
        serverName: null,
        skipVerification: true,
      };
      const pair = makePair();
      const channels = [null, tls].map((each) =>
        pair.client.dial({ ...dialOptions, address, tls: each }),
      );
      const giveUpAt = performance.now() + 8_000;
      while (channels.some(({ state }) => state !== 'failed') && performance.now() < giveUpAt) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      for (const channel of channels) {
        expect(channel.failure).toMatch(/^no HTTP\/2 settings within \d+ ms$/);
        channel.close();
      }
    });

    test('clients that speak garbage or HTTP/1.1 are cut off, and others served', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => call.reply.end(status(Code.NOT_FOUND, 'fine'));
      for (const garbage of [
        'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
        '\0'.repeat(200),
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff',
      ]) {
        const socket = connect(portOf(loop.listener), '127.0.0.1');
        socket.on('error', () => {});
        socket.write(Buffer.from(garbage, 'latin1'));
        expect((await loop.unary().ended()).text).toBe('fine');
        socket.destroy();
      }
    });

    test('HTTP/2 requests that are not gRPC, or badly so, harm nobody', async () => {
      await using loop = await Loop.open(makePair());
      loop.handler.onCall = (call) => call.reply.end(status(Code.NOT_FOUND, 'fine'));
      const session = connectHttp2(`http://127.0.0.1:${portOf(loop.listener)}`);
      session.on('error', () => {});
      const path = unaryMethod.path;
      const grpc = {
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
      };
      const requests: [Record<string, string>, Buffer][] = [
        [{ ':path': '/' }, Buffer.alloc(0)],
        [{ ...grpc, 'content-type': 'text/plain' }, Buffer.alloc(0)],
        [{ ...grpc, 'grpc-timeout': 'soon' }, Buffer.from([0, 0, 0, 0, 0])],
        [{ ...grpc, 'grpc-encoding': 'mystery' }, Buffer.from([1, 0, 0, 0, 1, 9])],
        [{ ...grpc, 'bad-bin': '\u00ff***', token: 'caf\u00e9' }, Buffer.from([0, 0, 0, 0, 0])],
        [grpc, Buffer.alloc(0)],
        [grpc, Buffer.from([0, 0, 0])],
        [grpc, Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
        [{ ...grpc, ':path': `/${'x'.repeat(4_000)}` }, Buffer.alloc(0)],
      ];
      for (const [headers, body] of requests) {
        const stream = session.request(headers);
        stream.on('error', () => {});
        stream.end(body);
        stream.resume();
        await new Promise((resolve) => stream.on('close', resolve));
      }
      session.destroy();
      expect((await loop.unary().ended()).text).toBe('fine');
      expect(loop.pair.faults).toEqual([]);
    });
  });
}
