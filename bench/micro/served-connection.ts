/**
 * A server connection without a network, for the benchmarks: its socket accepts everything at once and stores nothing. A
 * benchmark is one long turn of the event loop, so the connection writes whenever `limits.turnOutputBytesMax` bytes are
 * queued.
 */
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import {
  Flag,
  FrameType,
  frameHeaderBytes,
  maxInt31,
  writeFrameHeader,
  writeUint32,
} from '../../src/http2/frame.ts';
import { HeaderTemplate, HpackEncoder } from '../../src/http2/hpack/encoder.ts';
import { ServerConnection } from '../../src/http2/server-connection.ts';
import { SettingId, settingsFrame } from '../../src/http2/settings.ts';
import type { Stream, StreamConnection } from '../../src/http2/stream.ts';
import { systemClock } from '../../src/runtime/clock.ts';

const noError = Buffer.alloc(4);

class NullSocket extends EventEmitter {
  readonly writable = true;
  readonly writableLength = 0;
  readonly writableNeedDrain = false;
  setNoDelay(): void {}
  cork(): void {}
  uncork(): void {}
  write(): boolean {
    return true;
  }
}

export function nullSocket(): Socket {
  return new NullSocket() as unknown as Socket;
}

/** A frame with its own memory. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, streamId);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

/** A connection with streams from `accept` and windows that no benchmark exhausts. */
export function servedConnection(accept: (from: StreamConnection) => Stream): ServerConnection {
  const connection = new ServerConnection({
    socket: nullSocket(),
    clock: systemClock,
    keepAlive: { intervalMs: Number.POSITIVE_INFINITY, timeoutMs: 1, whenIdle: false },
    onBug: (bug) => {
      throw bug;
    },
    streamsMax: Number.POSITIVE_INFINITY,
    acceptor: { accept, onClosed() {} },
  });
  connection.receive(settingsFrame([[SettingId.INITIAL_WINDOW_SIZE, maxInt31]]));
  const credit = Buffer.alloc(4);
  writeUint32(credit, 0, maxInt31 - 65_535);
  connection.receive(frame(FrameType.WINDOW_UPDATE, 0, 0, credit));
  return connection;
}

/** A client that sends the same request on every stream: a header block of table indexes only, and DATA until the end. */
export class RepeatingClient {
  readonly request: Buffer;
  readonly #connection: ServerConnection;
  /** Offset of the stream ID in each frame of the request. */
  readonly #idsAt: number[] = [];
  #streamId = 1;

  constructor(connection: ServerConnection, head: readonly string[], data: readonly Buffer[]) {
    this.#connection = connection;
    const encoder = new HpackEncoder(4_096);
    const template = new HeaderTemplate(head, true);
    // The first block fills the table and uses a separate stream. The repeated block is the second one.
    const filling = frame(FrameType.HEADERS, Flag.END_HEADERS, 1, encoder.encode(template));
    connection.receive(Buffer.concat([filling, frame(FrameType.RST_STREAM, 0, 1, noError)]));
    const frames = [frame(FrameType.HEADERS, Flag.END_HEADERS, 1, encoder.encode(template))];
    for (const [i, payload] of data.entries()) {
      const flags = i === data.length - 1 ? Flag.END_STREAM : 0;
      frames.push(frame(FrameType.DATA, flags, 1, payload));
    }
    let at = 0;
    for (const { length } of frames) {
      this.#idsAt.push(at + 5);
      at += length;
    }
    this.request = Buffer.concat(frames);
  }

  /** Sends the request in one read, and returns when the connection has processed it. */
  send(): void {
    this.#streamId += 2;
    for (const at of this.#idsAt) writeUint32(this.request, at, this.#streamId);
    this.#connection.receive(this.request);
  }
}
