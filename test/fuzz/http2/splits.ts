/**
 * Feeds one recorded connection in different reads: whole, then split at each byte, then in seeded random pieces. The events and
 * responses of every call must be the same each time.
 *
 * A longer run: node test/fuzz/http2/splits.ts RANDOM_ROUNDS [SEED]
 */

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { CallHandle, RequestSink, ResponseSink } from '../../../src/grpc/call.ts';
import { InflateSlots } from '../../../src/grpc/gzip/inflate-slots.ts';
import { ClientCall } from '../../../src/grpc/native/client-call.ts';
import { ResponseHeads } from '../../../src/grpc/native/response-heads.ts';
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
import { endlessTurn } from '../../support/endless-turn.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { Seeded } from '../../support/seeded.ts';
import { chat, clientRecording, FakeSocket, serverRecording, unary } from './recording.ts';

const callHead = { path: '/t.S/Chat', metadata: [], timeoutMs: Number.POSITIVE_INFINITY };

/** What was observed: one line per event, by call or stream. */
type Events = Map<string, string[]>;

function record(events: Events, subject: string, event: string): void {
  const lines = events.get(subject);
  if (lines === undefined) events.set(subject, [event]);
  else lines.push(event);
}

const onFault = (fault: unknown) => {
  throw fault;
};
const messageBytesMax = 2_000;

class LoggingHandler implements CallHandler<ServedMethod> {
  readonly methods = new Map([unary, chat].map((method) => [method.path, method]));
  readonly events: Events;
  #calls = 0;

  constructor(events: Events) {
    this.events = events;
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
    return new LoggingCall(this.events, `call ${this.#calls}`, reply);
  }
}

class LoggingCall implements RequestSink {
  readonly #events: Events;
  readonly #name: string;
  readonly #reply: ResponseSink;

  constructor(events: Events, name: string, reply: ResponseSink) {
    this.#events = events;
    this.#name = name;
    this.#reply = reply;
  }

  send(bytes: Uint8Array): void {
    record(this.#events, this.#name, `message ${Buffer.from(bytes).toString('latin1')}`);
    this.#reply.deliver(asOwned(Buffer.from(bytes)));
  }

  halfClose(): void {
    record(this.#events, this.#name, 'end');
    this.#reply.end(this.#name.endsWith('3') ? status(5, 'third: \u00fc') : ok);
  }

  cancel(): void {
    record(this.#events, this.#name, 'cancel');
  }

  pauseResponses(): void {}
  resumeResponses(): void {}
}

/** Records what the engine wrote: heads, trailers, errors and the bytes of each stream, independent of frame boundaries. */
class Written implements FrameSink {
  readonly events: Events;
  readonly #decoder = new HpackDecoder(4096, 1 << 20);
  readonly #data = new Map<number, Buffer[]>();

  constructor(events: Events) {
    this.events = events;
  }

  read(bytes: Buffer): void {
    new FrameReader(this, 1 << 20).feed(bytes);
    for (const [stream, data] of this.#data) {
      record(this.events, `response ${stream}`, Buffer.concat(data).toString('latin1'));
    }
  }

  onFrame(type: number, _: number, stream: number, bytes: Buffer, start: number, end: number) {
    if (type === FrameType.HEADERS) {
      const list = this.#decoder.decode(bytes, start, end);
      record(this.events, `response ${stream}`, `${list?.fields.join(' ')}`);
    } else if (type === FrameType.DATA) {
      const data = this.#data.get(stream);
      if (data === undefined) this.#data.set(stream, [bytes.subarray(start, end)]);
      else data.push(bytes.subarray(start, end));
    } else if (type === FrameType.RST_STREAM || type === FrameType.GOAWAY) {
      record(
        this.events,
        `response ${stream}`,
        `error ${type} ${bytes.toString('hex', start, end)}`,
      );
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

/** Opens the windows of all streams. */
const openWindows = settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, 10_000_000]]);

function serve(pieces: Pieces, resets: ReadonlySet<number>): Events {
  const events: Events = new Map();
  const clock = new ManualClock();
  const socket = new KeepingSocket();
  const memory = memoryOf({ clock });
  const client = { listener: '', remote: '', certificate: null };
  const serving = {
    handler: new LoggingHandler(events),
    messageBytesMax,
    memory,
    requests: memory.requestAccount(client),
    inflateSlots: new InflateSlots(),
    clock,
    peer: client,
    heads: new ResponseHeads(),
    onFault,
  };
  const connection = new ServerConnection({
    turns: endlessTurn(),
    socket: socket as unknown as Socket,
    clock,
    keepAlive: { intervalMs: 7_200_000, timeoutMs: 20_000, whenIdle: true },
    onBug: onFault,
    streamsMax: Number.POSITIVE_INFINITY,
    acceptor: { accept: (from) => new ServedCall(from, serving), onClosed() {} },
  });
  for (const piece of pieces) socket.emit('data', piece);
  socket.emit('data', openWindows);
  record(events, 'connection', `${connection.openStreams} open ${connection.failure}`);
  connection.core.output.flush();
  new Written(events).read(Buffer.concat(socket.written));
  // How much of a response was sent before its stream was reset depends on the reads.
  for (const stream of resets) events.delete(`response ${stream}`);
  socket.emit('close');
  assert.equal(connection.openStreams, 0);
  assert.equal(clock.pendingTimers, 0);
  return events;
}

/** Keeps the responses and records them at the end: it owns them, so later reads must not change them. */
class LoggingReply implements ResponseSink {
  readonly #events: Events;
  readonly #name: string;
  readonly #responses: Uint8Array[] = [];

  constructor(events: Events, name: string) {
    this.#events = events;
    this.#name = name;
  }

  deliver(bytes: Uint8Array): void {
    this.#responses.push(bytes);
    record(this.#events, this.#name, `message ${this.#responses.length}`);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.deliver(Buffer.concat([head, tail]));
  }

  recordMessages(): void {
    for (const bytes of this.#responses) {
      record(this.#events, this.#name, Buffer.from(bytes).toString('latin1'));
    }
  }

  end({ code, text, trailers, origin }: Status): void {
    record(this.#events, this.#name, `${code} ${text} ${trailers.join(' ')} ${origin}`);
  }

  pauseRequests(): void {}
  resumeRequests(): void {}
}

function dial(pieces: Pieces): Events {
  const events: Events = new Map();
  const clock = new ManualClock();
  const socket = new KeepingSocket();
  const memory = memoryOf({ clock });
  const calling = { deadlines: new Deadlines(clock), memory, onFault };
  const replies = Array.from({ length: 15 }, (_, i) => new LoggingReply(events, `call ${i}`));
  const connection: ClientConnection = new ClientConnection({
    socket: socket as unknown as Socket,
    clock,
    keepAlive: { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false },
    onBug: onFault,
    owner: {
      onReady: (ready) => {
        const head = [':method', 'POST', ':scheme', 'http', ':path', chat.path];
        for (const [i, reply] of replies.entries()) {
          const call = new ClientCall(ready.core, calling, callHead, reply, i > 7);
          ready.open(call, new HeaderTemplate(head, true), null, false);
          call.send(Buffer.alloc(i * 100));
        }
      },
      onRoom: () => {},
      onGoingAway() {},
      onClosed() {},
    },
  });
  // As on dialed sockets, all reads use the same buffer.
  const reading = Buffer.alloc(Math.max(...pieces.map((piece) => piece.length)));
  for (const piece of pieces) {
    connection.receive(reading.subarray(0, piece.copy(reading)));
    reading.fill(0xee);
  }
  for (const reply of replies) reply.recordMessages();
  record(events, 'connection', `${connection.openStreams} open ${connection.failure}`);
  socket.emit('close');
  assert.equal(clock.pendingTimers, 0);
  return events;
}

/** `bytes` in pieces of random sizes. */
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

function expectSame(
  read: (pieces: Pieces) => Events,
  bytes: Buffer,
  random: Seeded,
  rounds: number,
) {
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
 * Tries every single split and `rounds` random ones of a connection, for both roles. Returns how many were tried. A failure names
 * the seed and the position.
 */
export async function splits(rounds: number, seed: number): Promise<number> {
  const random = new Seeded(seed);
  // Small messages, so that most splits are in heads, prefixes and padding.
  const sent = clientRecording(random, 200);
  const resets = new Set(
    sent.filter((each) => each[3] === FrameType.RST_STREAM).map((each) => each.readUInt32BE(5)),
  );
  const requests = Buffer.concat(sent);
  const responses = Buffer.concat(serverRecording(random, 200));
  try {
    expectSame((pieces) => serve(pieces, resets), requests, random, rounds);
    await new Promise((resolve) => setImmediate(resolve));
    expectSame(dial, responses, random, rounds);
  } catch (fault) {
    throw new Error(`splits(${rounds}, ${seed})`, { cause: fault });
  }
  return requests.length + responses.length - 2 + 2 * rounds;
}

if (process.argv[1] === import.meta.filename) {
  const seed = Number(process.argv[3] ?? 1);
  const tried = await splits(Number(process.argv[2] ?? 10_000), seed);
  console.log(`${tried} ways to split two connections, from seed ${seed}`);
}
