/**
 * One connection, cut into reads in every way: a recorded connection is fed whole, then once for each place where a read
 * could have ended, then in seeded random pieces. Whoever reads it must hear the same every time, call by call, and answer
 * the same.
 *
 * A longer run: node test/fuzz/http2/splits.ts RANDOM_ROUNDS [SEED]
 */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { CallHandle, RequestSink, ResponseSink } from '../../../src/grpc/call.ts';
import { AssemblyBudget } from '../../../src/grpc/message-framing.ts';
import { ClientCall } from '../../../src/grpc/native/client-call.ts';
import { ServedCall } from '../../../src/grpc/native/served-call.ts';
import { ok, type Status, status } from '../../../src/grpc/status.ts';
import type { CallHandler, Incoming, ServedMethod } from '../../../src/grpc/transport.ts';
import { ClientConnection } from '../../../src/http2/client-connection.ts';
import { FrameType } from '../../../src/http2/frame.ts';
import { FrameReader, type FrameSink } from '../../../src/http2/frame-reader.ts';
import { HpackDecoder } from '../../../src/http2/hpack/decoder.ts';
import { HeaderTemplate } from '../../../src/http2/hpack/encoder.ts';
import { ServerConnection } from '../../../src/http2/server-connection.ts';
import { SettingId, settingsFrame } from '../../../src/http2/settings.ts';
import { Deadlines } from '../../../src/runtime/deadlines.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Seeded } from '../../support/seeded.ts';
import { chat, clientRecording, FakeSocket, serverRecording, unary } from './recording.ts';

/** What was heard, a line for each thing, under the call that it belongs to. */
type Heard = Map<string, string[]>;

function hear(heard: Heard, who: string, what: string): void {
  const lines = heard.get(who);
  if (lines === undefined) heard.set(who, [what]);
  else lines.push(what);
}

const onFault = (fault: unknown) => {
  throw fault;
};
const messageBytesMax = 2_000;
const assemblyBytesMax = 1_000_000;

class LoggingHandler implements CallHandler<ServedMethod> {
  readonly methods = new Map([unary, chat].map((method) => [method.path, method]));
  readonly heard: Heard;
  #calls = 0;

  constructor(heard: Heard) {
    this.heard = heard;
  }

  unary(_: Incoming<ServedMethod>, request: Uint8Array, reply: ResponseSink): CallHandle {
    const call = this.#begin(reply);
    call.send(request);
    call.halfClose();
    return call;
  }

  stream(_: Incoming<ServedMethod>, reply: ResponseSink): RequestSink {
    return this.#begin(reply);
  }

  #begin(reply: ResponseSink): LoggingCall {
    this.#calls += 1;
    return new LoggingCall(this.heard, `call ${this.#calls}`, reply);
  }
}

class LoggingCall implements RequestSink {
  readonly #heard: Heard;
  readonly #name: string;
  readonly #reply: ResponseSink;

  constructor(heard: Heard, name: string, reply: ResponseSink) {
    this.#heard = heard;
    this.#name = name;
    this.#reply = reply;
  }

  send(bytes: Uint8Array): void {
    hear(this.#heard, this.#name, `message ${Buffer.from(bytes).toString('latin1')}`);
    this.#reply.deliver(asOwned(Buffer.from(bytes)));
  }

  halfClose(): void {
    hear(this.#heard, this.#name, 'end');
    this.#reply.end(this.#name.endsWith('3') ? status(5, 'third: \u00fc') : ok);
  }

  cancel(): void {
    hear(this.#heard, this.#name, 'cancel');
  }

  pauseResponses(): void {}
  resumeResponses(): void {}
}

/** What the engine wrote: heads and trailers, and the bytes of each stream, however they were cut into frames. */
class Written implements FrameSink {
  readonly heard: Heard;
  readonly #decoder = new HpackDecoder(4096, 1 << 20);
  readonly #data = new Map<number, Buffer[]>();

  constructor(heard: Heard) {
    this.heard = heard;
  }

  read(bytes: Buffer): void {
    new FrameReader(this, 1 << 20).feed(bytes);
    for (const [stream, data] of this.#data) {
      hear(this.heard, `answer ${stream}`, Buffer.concat(data).toString('latin1'));
    }
  }

  onFrame(type: number, _: number, stream: number, bytes: Buffer, start: number, end: number) {
    if (type === FrameType.HEADERS) {
      const list = this.#decoder.decode(bytes, start, end);
      hear(this.heard, `answer ${stream}`, `${list?.fields.join(' ')}`);
    } else if (type === FrameType.DATA) {
      const data = this.#data.get(stream);
      if (data === undefined) this.#data.set(stream, [bytes.subarray(start, end)]);
      else data.push(bytes.subarray(start, end));
    } else if (type === FrameType.RST_STREAM || type === FrameType.GOAWAY) {
      hear(this.heard, `answer ${stream}`, `error ${type} ${bytes.toString('hex', start, end)}`);
    }
    return true;
  }

  onOversizedFrame(): void {
    throw new Error('the engine wrote an oversized frame');
  }
}

class KeepingSocket extends FakeSocket {
  readonly written: Buffer[] = [];
  override write(bytes: Uint8Array): boolean {
    this.written.push(Buffer.from(bytes));
    return super.write(bytes);
  }
}

type Pieces = readonly Buffer[];

/** Lets every call that waits for a window have one. */
const openWindows = settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 10_000_000]]);

function serve(pieces: Pieces, resets: ReadonlySet<number>): Heard {
  const heard: Heard = new Map();
  const clock = new ManualClock();
  const socket = new KeepingSocket();
  const serving = {
    handler: new LoggingHandler(heard),
    messageBytesMax,
    assembly: new AssemblyBudget(assemblyBytesMax),
    clock,
    peer: { listener: '', remote: '', certificate: null },
    replyHead: new HeaderTemplate([':status', '200', 'content-type', 'application/grpc'], true),
    okTrailers: new HeaderTemplate(['grpc-status', '0'], true),
    onFault,
  };
  const connection = new ServerConnection({
    socket: socket as unknown as Socket,
    clock,
    keepAlive: { intervalMs: 7_200_000, timeoutMs: 20_000, whenIdle: true },
    onBug: onFault,
    streamsMax: Number.POSITIVE_INFINITY,
    acceptor: { accept: (from) => new ServedCall(from, serving), onClosed() {} },
  });
  for (const piece of pieces) socket.emit('data', piece);
  socket.emit('data', openWindows);
  hear(heard, 'connection', `${connection.openStreams} open ${connection.failure}`);
  connection.output.flush();
  new Written(heard).read(Buffer.concat(socket.written));
  // How much of an answer had left before its stream was reset is a matter of the pieces.
  for (const stream of resets) heard.delete(`answer ${stream}`);
  socket.emit('close');
  assert.equal(connection.openStreams, 0);
  assert.equal(clock.pendingTimers, 0);
  return heard;
}

/** Keeps the answers, and tells them in the end: they are its own, whatever was read since. */
class LoggingReply implements ResponseSink {
  readonly #heard: Heard;
  readonly #name: string;
  readonly #answers: Uint8Array[] = [];

  constructor(heard: Heard, name: string) {
    this.#heard = heard;
    this.#name = name;
  }

  deliver(bytes: Uint8Array): void {
    this.#answers.push(bytes);
    hear(this.#heard, this.#name, `message ${this.#answers.length}`);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }

  tell(): void {
    for (const bytes of this.#answers) {
      hear(this.#heard, this.#name, Buffer.from(bytes).toString('latin1'));
    }
  }

  end({ code, text, trailers, origin }: Status): void {
    hear(this.#heard, this.#name, `${code} ${text} ${trailers.join(' ')} ${origin}`);
  }

  pauseRequests(): void {}
  resumeRequests(): void {}
}

function dial(pieces: Pieces): Heard {
  const heard: Heard = new Map();
  const clock = new ManualClock();
  const socket = new KeepingSocket();
  const assembly = new AssemblyBudget(assemblyBytesMax);
  const calling = { deadlines: new Deadlines(clock), assembly, onFault };
  const replies = Array.from({ length: 15 }, (_, i) => new LoggingReply(heard, `call ${i}`));
  const connection: ClientConnection = new ClientConnection({
    socket: socket as unknown as Socket,
    clock,
    keepAlive: { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false },
    onBug: onFault,
    owner: {
      onReady: (ready) => {
        const head = [':method', 'POST', ':scheme', 'http', ':path', chat.path];
        for (const [i, reply] of replies.entries()) {
          const call = new ClientCall(ready, calling, reply, i > 7);
          ready.open(call, new HeaderTemplate(head, true), null, false);
          call.send(Buffer.alloc(i * 100));
        }
      },
      onGoingAway() {},
      onClosed() {},
    },
  });
  // As the sockets that we dial do it: every piece in the same buffer.
  const reading = Buffer.alloc(Math.max(...pieces.map((piece) => piece.length)));
  for (const piece of pieces) {
    connection.receive(reading.subarray(0, piece.copy(reading)));
    reading.fill(0xee);
  }
  for (const reply of replies) reply.tell();
  hear(heard, 'connection', `${connection.openStreams} open ${connection.failure}`);
  socket.emit('close');
  assert.equal(clock.pendingTimers, 0);
  return heard;
}

/** `bytes` in pieces of random sizes; small ones in every other round. */
function shredded(bytes: Buffer, random: Seeded): Pieces {
  const pieces: Buffer[] = [];
  const pieceMax = random.pick([1, 3, 20, 300, bytes.length]);
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(pieceMax);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

function same(read: (pieces: Pieces) => Heard, bytes: Buffer, random: Seeded, rounds: number) {
  const whole = read([bytes]);
  for (let at = 1; at < bytes.length; at++) {
    const cut = read([bytes.subarray(0, at), bytes.subarray(at)]);
    assert.deepEqual(cut, whole, `cut at ${at} of ${bytes.length}`);
  }
  for (let round = 0; round < rounds; round++) {
    assert.deepEqual(read(shredded(bytes, random)), whole, `round ${round}`);
  }
}

/**
 * Every single cut and `rounds` random ones of a connection in either role; returns how many ways to cut were tried. What
 * fails names the seed and the place.
 */
export async function splits(rounds: number, seed: number): Promise<number> {
  const random = new Seeded(seed);
  // Small messages: so do cuts in heads, prefixes and padding make up most of them.
  const sent = clientRecording(random, 200);
  const resets = new Set(
    sent.filter((each) => each[3] === FrameType.RST_STREAM).map((each) => each.readUInt32BE(5)),
  );
  const requests = Buffer.concat(sent);
  const answers = Buffer.concat(serverRecording(random, 200));
  try {
    same((pieces) => serve(pieces, resets), requests, random, rounds);
    await new Promise((resolve) => setImmediate(resolve));
    same(dial, answers, random, rounds);
  } catch (fault) {
    throw new Error(`splits(${rounds}, ${seed})`, { cause: fault });
  }
  return requests.length + answers.length - 2 + 2 * rounds;
}

if (process.argv[1] === import.meta.filename) {
  const seed = Number(process.argv[3] ?? 1);
  const tried = await splits(Number(process.argv[2] ?? 10_000), seed);
  console.log(`${tried} ways to cut two connections, from seed ${seed}`);
}
