/**
 * An HTTP/2 peer for the tests of src/http2. It sends exactly the frames that a test passes, legal or not, and records the
 * frames that it receives. The wire is a pair of streams in memory, so no test waits for a network.
 */
import type { Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';
import { FrameType, writeFrameHeader } from '../../src/http2/frame.ts';
import { FrameReader, type FrameSink } from '../../src/http2/frame-reader.ts';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { HeaderTemplate, HpackEncoder } from '../../src/http2/hpack/encoder.ts';
import type { HeaderList } from '../../src/http2/hpack/header-list.ts';
import {
  ServerConnection,
  type ServerConnectionOptions,
} from '../../src/http2/server-connection.ts';
import { settingsFrame } from '../../src/http2/settings.ts';
import { Stream } from '../../src/http2/stream.ts';
import type { Clock } from '../../src/runtime/clock.ts';

export interface RawFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Both ends of a wire. The first has the methods of a socket that the engine uses. */
export function wirePair(): [Socket, Duplex] {
  const [near, far] = duplexPair();
  return [Object.assign(near, { setNoDelay() {} }) as unknown as Socket, far];
}

export function frame(
  type: number,
  flags: number,
  streamId: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, streamId);
  payload.copy(bytes, 9);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Waits until the output of every turn was written and delivered. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await new Promise((resolve) => setImmediate(resolve));
}

export class RawPeer implements FrameSink {
  readonly wire: Duplex;
  readonly frames: RawFrame[] = [];
  closed = false;
  readonly #encoder = new HpackEncoder(0);
  readonly #decoder = new HpackDecoder(4096, 1 << 20);
  readonly #reader = new FrameReader(this, 1 << 20);

  constructor(wire: Duplex) {
    this.wire = wire;
    wire.on('data', (chunk: Buffer) => this.#reader.feed(chunk));
    wire.on('error', () => {});
    wire.on('end', () => {
      this.closed = true;
    });
    wire.on('close', () => {
      this.closed = true;
    });
  }

  onFrame(
    type: number,
    flags: number,
    streamId: number,
    bytes: Buffer,
    start: number,
    end: number,
  ) {
    this.frames.push({ type, flags, streamId, payload: Buffer.from(bytes.subarray(start, end)) });
    return true;
  }

  onOversizedFrame(): void {
    throw new Error('the engine sent an oversized frame');
  }

  send(...bytes: Buffer[]): void {
    this.wire.write(Buffer.concat(bytes));
  }

  block(...fields: string[]): Buffer {
    return this.#encoder.encode(new HeaderTemplate(fields, false));
  }

  /** HEADERS of a valid request. */
  request(streamId: number, ended = true): Buffer {
    const block = this.block(
      ...[':method', 'POST', ':scheme', 'http', ':path', '/a', ':authority', 'x'],
    );
    return frame(FrameType.HEADERS, ended ? 5 : 4, streamId, block);
  }

  of(type: number, streamId?: number): RawFrame[] {
    return this.frames.filter(
      (each) => each.type === type && (streamId === undefined || each.streamId === streamId),
    );
  }

  decode(each: RawFrame): HeaderList {
    const list = this.#decoder.decode(each.payload, 0, each.payload.length);
    if (list === null) throw new Error('the engine sent a malformed block');
    return list;
  }

  /** The error code of the last GOAWAY; null if there was none. */
  get goAwayCode(): number | null {
    return this.of(FrameType.GOAWAY).at(-1)?.payload.readUInt32BE(4) ?? null;
  }

  /** The error code of the stream's RST_STREAM; null if there was none. */
  resetCode(streamId: number): number | null {
    return this.of(FrameType.RST_STREAM, streamId).at(-1)?.payload.readUInt32BE(0) ?? null;
  }

  /** Bytes of DATA received on a stream. */
  dataBytes(streamId: number): number {
    return this.of(FrameType.DATA, streamId).reduce((sum, each) => sum + each.payload.length, 0);
  }
}

/** A stream that records its events. */
export class RecordedStream extends Stream {
  readonly data: Buffer[] = [];
  headers = 0;
  ended = false;
  resetBy: number | null = null;
  lost: string | null = null;
  drained = 0;
  onOpen: (stream: RecordedStream) => void = () => {};
  onBytes: (bytes: Buffer) => void = () => {};

  override onHeaders(_: HeaderList, ended: boolean): void {
    this.headers += 1;
    this.ended ||= ended;
    this.onOpen(this);
  }
  override onData(bytes: Buffer, start: number, end: number, ended: boolean): void {
    this.data.push(bytes.subarray(start, end));
    this.onBytes(bytes.subarray(start, end));
    this.ended ||= ended;
  }
  override onTrailers(): void {
    this.ended = true;
  }
  override onReset(code: number): void {
    this.resetBy = code;
  }
  override onLost(reason: string): void {
    this.lost = reason;
  }
  override onDrained(): void {
    this.drained += 1;
  }
  respond(body: Buffer, ended = true): void {
    this.sendHeaders(new HeaderTemplate([':status', '200'], false), false);
    this.sendData(Buffer.alloc(0), body, ended, false);
  }
}

/** A server's connection, and a raw client at the other end of the wire. */
export class ServerUnderTest {
  readonly streams: RecordedStream[] = [];
  readonly connection: ServerConnection;
  readonly peer: RawPeer;
  readonly bugs: unknown[] = [];
  closed = 0;
  onOpen: (stream: RecordedStream) => void = () => {};
  /** Whether streams are kept for inspection. */
  keepsStreams = true;

  constructor(clock: Clock, options: Partial<ServerConnectionOptions> = {}) {
    const [near, far] = wirePair();
    this.peer = new RawPeer(far);
    this.connection = new ServerConnection({
      socket: near,
      clock,
      keepAlive: { intervalMs: 7_200_000, timeoutMs: 20_000, whenIdle: true },
      onBug: (bug) => this.bugs.push(bug),
      streamsMax: Number.POSITIVE_INFINITY,
      acceptor: {
        accept: (connection) => {
          const stream = new RecordedStream(connection);
          stream.onOpen = (opened) => this.onOpen(opened);
          if (this.keepsStreams) this.streams.push(stream);
          return stream;
        },
        onClosed: () => {
          this.closed += 1;
        },
      },
      ...options,
    });
  }

  /** Sends the client's SETTINGS. The preface was already read when a connection is constructed. */
  begin(...settings: [number, number][]): void {
    this.peer.send(settingsFrame(settings));
  }
}
