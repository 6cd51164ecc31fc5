/**
 * Mutates valid connections: flips bits, truncates, repeats, swaps, drops and splices frames, and feeds the result to the engine
 * in pieces of random sizes. For any input, the engine must not throw and must not leak anything after the socket closed.
 *
 * A longer run: node test/fuzz/http2/mutations.ts FRAMES [SEED]
 */

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { CallHandle, RequestSink, ResponseSink } from '../../../src/grpc/call.ts';
import { InflateSlots } from '../../../src/grpc/gzip/inflate-slots.ts';
import { ClientCall } from '../../../src/grpc/native/client-call.ts';
import { ResponseHeads } from '../../../src/grpc/native/response-heads.ts';
import { ServedCall } from '../../../src/grpc/native/served-call.ts';
import { ok, status } from '../../../src/grpc/status.ts';
import type { CallHandler, Incoming, ServedMethod } from '../../../src/grpc/transport.ts';
import { ClientConnection } from '../../../src/http2/client-connection.ts';
import { HeaderTemplate } from '../../../src/http2/hpack/encoder.ts';
import { ServerConnection } from '../../../src/http2/server-connection.ts';
import { Deadlines } from '../../../src/runtime/deadlines.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { endlessTurn } from '../../support/endless-turn.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { frame } from '../../support/raw-http2.ts';
import { Seeded } from '../../support/seeded.ts';
import { chat, clientRecording, FakeSocket, serverRecording, unary } from './recording.ts';

const callHead = { path: '/t.S/Chat', metadata: [], timeoutMs: Number.POSITIVE_INFINITY };

/** Counts open calls. Every call must end exactly once. */
class CountingHandler implements CallHandler<ServedMethod> {
  readonly methods = new Map([unary, chat].map((method) => [method.path, method]));
  open = 0;
  unary(_: Incoming<ServedMethod>, request: Uint8Array, reply: ResponseSink): CallHandle {
    reply.deliver(asOwned(Buffer.from(request)));
    reply.end(request.length % 2 === 0 ? ok : status(5, 'odd: \u00fc'));
    return new CountedCall(null, reply);
  }
  stream(_: Incoming<ServedMethod>, reply: ResponseSink): RequestSink {
    this.open += 1;
    return new CountedCall(this, reply);
  }
}

class CountedCall implements RequestSink {
  readonly #handler: CountingHandler | null;
  readonly #reply: ResponseSink;
  #ended = false;
  constructor(handler: CountingHandler | null, reply: ResponseSink) {
    this.#handler = handler;
    this.#reply = reply;
  }
  send(bytes: Uint8Array): void {
    assert(!this.#ended, 'a message after the end');
    this.#reply.deliver(asOwned(Buffer.from(bytes)));
    if (bytes.length % 7 === 3) this.#reply.pauseRequests();
    if (bytes.length % 7 === 4) this.#reply.resumeRequests();
  }
  halfClose(): void {
    this.#close();
    this.#reply.end(ok);
  }
  cancel(): void {
    this.#close();
  }
  pauseResponses(): void {}
  resumeResponses(): void {}
  #close(): void {
    assert(!this.#ended, 'a second end');
    this.#ended = true;
    if (this.#handler !== null) this.#handler.open -= 1;
  }
}

class CountingReply implements ResponseSink {
  ends = 0;
  deliver(): void {
    assert(this.ends === 0, 'a message after the end');
  }
  deliverShared(): void {
    this.deliver();
  }
  end(): void {
    this.ends += 1;
  }
  pauseRequests(): void {}
  resumeRequests(): void {}
}

function mutate(frames: Buffer[], other: Buffer[], random: Seeded): void {
  const times = 1 + random.below(6);
  for (let i = 0; i < times && frames.length > 0; i++) {
    const at = random.below(frames.length);
    const one = Buffer.from(frames[at] ?? []);
    switch (random.below(8)) {
      case 0:
        one[random.below(one.length)]! ^= 1 << random.below(8);
        frames[at] = one;
        break;
      case 1:
        // Anywhere after the length; a wrong length would only turn the rest into one long frame.
        if (one.length > 3) one[3 + random.below(one.length - 3)] = random.below(256);
        frames[at] = one;
        break;
      case 2:
        frames[at] = one.subarray(0, random.below(one.length));
        break;
      case 3:
        frames.splice(at, 0, one);
        break;
      case 4:
        frames.splice(at, 1);
        break;
      case 5:
        frames.splice(at, 0, random.pick(other));
        break;
      case 6:
        frames[at] = frames[random.below(frames.length)] ?? one;
        break;
      default: {
        // A shorter payload with a matching length: a well-formed frame of the wrong size.
        if (one.length < 9) break;
        const length = random.below(Math.max(1, one.length - 9));
        frames[at] = frame(
          one[3] ?? 0,
          one[4] ?? 0,
          one.readUInt32BE(5),
          one.subarray(9, 9 + length),
        );
      }
    }
  }
}

function feed(socket: FakeSocket, frames: Buffer[], random: Seeded): void {
  const bytes = Buffer.concat(frames);
  const pieceMax = random.pick([1, 7, 100, 5_000, 100_000]);
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random.below(pieceMax);
    socket.emit('data', bytes.subarray(at, at + length));
    at += length;
  }
}

function finish(
  connection: ClientConnection | ServerConnection,
  socket: FakeSocket,
  clock: ManualClock,
): void {
  socket.emit('close');
  assert.equal(connection.openStreams, 0, 'streams left');
  assert.equal(clock.pendingTimers, 0, 'timers left');
}

function fuzzServer(random: Seeded): number {
  const clock = new ManualClock();
  const socket = new FakeSocket();
  const handler = new CountingHandler();
  const memory = memoryOf({ bytesMax: 10_000, clock });
  const onFault = (fault: unknown) => {
    throw fault;
  };
  const client = { listener: '', remote: '', certificate: null };
  const serving = {
    handler,
    messageBytesMax: 2_000,
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
    streamsMax: 10,
    acceptor: { accept: (from) => new ServedCall(from, serving), onClosed() {} },
  });
  const frames = clientRecording(random);
  mutate(frames, clientRecording(random), random);
  feed(socket, frames, random);
  finish(connection, socket, clock);
  assert.equal(handler.open, 0, 'calls left');
  assert.equal(memory.requests.bytes, 0, 'bytes of messages left');
  return frames.length;
}

function fuzzClient(random: Seeded): number {
  const clock = new ManualClock();
  const socket = new FakeSocket();
  const onFault = (fault: unknown) => {
    throw fault;
  };
  const memory = memoryOf({ bytesMax: 10_000, clock });
  const calling = { deadlines: new Deadlines(clock), memory, onFault };
  const replies: CountingReply[] = [];
  const connection: ClientConnection = new ClientConnection({
    socket: socket as unknown as Socket,
    clock,
    keepAlive: { intervalMs: 10_000, timeoutMs: 5_000, whenIdle: false },
    onBug: onFault,
    owner: {
      onReady: (ready) => {
        const head = [':method', 'POST', ':scheme', 'http', ':path', '/t.S/Chat'];
        for (let i = 0; i < 15 && ready.canOpen; i++) {
          const reply = new CountingReply();
          const call = new ClientCall(ready.core, calling, callHead, reply, i % 2 === 0);
          replies.push(reply);
          ready.open(call, new HeaderTemplate(head, true), null, false);
          call.send(Buffer.alloc(random.below(2_000)));
        }
      },
      onRoom() {},
      onGoingAway() {},
      onClosed() {},
    },
  });
  const frames = serverRecording(random);
  mutate(frames, serverRecording(random), random);
  feed(socket, frames, random);
  finish(connection, socket, clock);
  assert(
    replies.every((reply) => reply.ends === 1),
    'a call that did not end once',
  );
  assert.equal(memory.responses.bytes, 0, 'bytes of messages left');
  return frames.length;
}

/** Feeds at least `framesMin` mutated frames. A failure names the seed that reproduces it alone. */
export async function fuzz(framesMin: number, seed: number): Promise<number> {
  let frames = 0;
  for (let round = 0; frames < framesMin; round++) {
    const roundSeed = (seed + round) >>> 0;
    try {
      const random = new Seeded(roundSeed);
      frames += random.chance(0.6) ? fuzzServer(random) : fuzzClient(random);
    } catch (fault) {
      throw new Error(`fuzz(1, ${roundSeed})`, { cause: fault });
    }
    // Ends the turn, so that collected outputs are flushed.
    if (round % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return frames;
}

if (process.argv[1] === import.meta.filename) {
  const seed = Number(process.argv[3] ?? 1);
  const frames = await fuzz(Number(process.argv[2] ?? 1_000_000), seed);
  const { heapUsed } = process.memoryUsage();
  console.log(`${frames} frames from seed ${seed}, ${Math.round(heapUsed / 2 ** 20)} MiB of heap`);
}
