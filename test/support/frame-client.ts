/**
 * A minimal HTTP/2 client for input that no client library would send. It writes frames to a socket and reads just enough to
 * observe the reaction of the server. It ignores flow control, so messages must be small; for many of them, call
 * `openWindow`.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { hpackInteger } from './hpack-integer.ts';
import { Condition } from './until.ts';

const frameType = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
const cancelCode = 8;
const windowBytesMax = 2 ** 31 - 1;
const windowBytesDefault = 65_535;
const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;
const frameHeadBytes = 9;
const frameBytesMax = 16_384;
const waitMs = 5000;

export interface ConnectOptions {
  /** Sent instead of the HTTP/2 preface. */
  readonly preface?: string;
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A header as an HPACK literal without indexing or Huffman code. Each character is one byte. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.from([0]),
    hpackInteger(name.length, 0x7f),
    Buffer.from(name, 'latin1'),
    hpackInteger(value.length, 0x7f),
    Buffer.from(value, 'latin1'),
  ]);
}

/** Name and value of a header. Unlike in an object, a name may occur twice, and the order counts. */
export type Field = readonly [name: string, value: string];

/** What a server did with a stream. */
export interface Outcome {
  /** All response headers and trailers, `name: value`, in order. */
  readonly fields: readonly string[];
  /** The error code of the RST_STREAM, or of the GOAWAY that ended the connection; null if there was none. */
  readonly reset: number | null;
  readonly goAway: number | null;
}

export class FrameClient implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #authority: string;
  readonly #frames: Frame[] = [];
  #unread = Buffer.alloc(0);
  #isClosed = false;
  readonly #changed = new Condition();
  /** The pieces of the current batch; null outside of one. */
  #batch: Buffer[] | null = null;

  private constructor(socket: Socket, authority: string) {
    this.#socket = socket;
    this.#authority = authority;
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    // A reset connection is a legitimate reaction of the server.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      this.#changed.notify();
    });
  }

  static async connect(address: string, options: ConnectOptions = {}): Promise<FrameClient> {
    const [host = '', port = ''] = address.split(':');
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    const client = new FrameClient(socket, address);
    if (options.preface === undefined) {
      client.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'));
      client.frame(frameType.settings, 0, 0, Buffer.alloc(0));
    } else {
      client.write(Buffer.from(options.preface, 'latin1'));
    }
    return client;
  }

  write(bytes: Buffer): void {
    if (this.#batch === null) this.#socket.write(bytes);
    else this.#batch.push(bytes);
  }

  /** Sends everything that `compose` writes in one write. Resolves when the socket has taken it. */
  async batch(compose: () => void): Promise<void> {
    const pieces: Buffer[] = [];
    this.#batch = pieces;
    compose();
    this.#batch = null;
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(Buffer.concat(pieces), (error) => (error ? reject(error) : resolve()));
    });
  }

  /** Opens the connection's window completely. Streams keep their windows. */
  openWindow(): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(windowBytesMax - windowBytesDefault);
    this.frame(frameType.windowUpdate, 0, 0, payload);
  }

  frame(type: number, flags: number, stream: number, payload: Buffer): void {
    const head = Buffer.alloc(frameHeadBytes);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    this.write(Buffer.concat([head, payload]));
  }

  /** Opens a gRPC call. */
  headers(stream: number, path: string): void {
    const block = Buffer.concat([
      literal(':method', 'POST'),
      literal(':scheme', 'http'),
      literal(':path', path),
      literal(':authority', this.#authority),
      literal('te', 'trailers'),
      literal('content-type', 'application/grpc'),
    ]);
    this.frame(frameType.headers, flag.endHeaders, stream, block);
  }

  /** Opens a stream with exactly these headers, in as many frames as they need. */
  open(stream: number, fields: readonly Field[], { end }: { end: boolean }): void {
    const block = Buffer.concat(fields.map(([name, value]) => literal(name, value)));
    const endStream = end ? flag.endStream : 0;
    let at = 0;
    do {
      const piece = block.subarray(at, at + frameBytesMax);
      const isFirst = at === 0;
      at += piece.length;
      const flags = (isFirst ? endStream : 0) | (at === block.length ? flag.endHeaders : 0);
      this.frame(isFirst ? frameType.headers : frameType.continuation, flags, stream, piece);
    } while (at < block.length);
  }

  /**
   * Resolves with how the server ended the stream. The stream must be the first of the connection with a response, because
   * headers are decoded in the order of the calls.
   */
  async outcome(stream: number): Promise<Outcome> {
    await this.closed(stream);
    const decoder = new HpackDecoder(4_096, 1 << 24);
    const fields: string[] = [];
    let reset: number | null = null;
    let goAway: number | null = null;
    for (const { type, stream: id, payload } of this.#frames) {
      if (type === frameType.goAway) goAway = payload.readUInt32BE(4);
      if (id !== stream) continue;
      if (type === frameType.reset) reset = payload.readUInt32BE(0);
      if (type !== frameType.headers) continue;
      const list = decoder.decode(payload, 0, payload.length);
      if (list === null) throw new Error('the server sent a malformed header block');
      if (list.status !== 0) fields.push(`:status: ${list.status}`);
      for (let i = 0; i < list.fields.length; i += 2) {
        fields.push(`${list.fields[i]}: ${list.fields[i + 1]}`);
      }
    }
    return { fields, reset, goAway };
  }

  /** A gRPC message in one DATA frame. */
  message(stream: number, message: Buffer, { end }: { end: boolean }): void {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    const flags = end ? flag.endStream : 0;
    this.frame(frameType.data, flags, stream, Buffer.concat([prefix, message]));
  }

  /** Half-closes without a message. */
  end(stream: number): void {
    this.frame(frameType.data, flag.endStream, stream, Buffer.alloc(0));
  }

  /** Cancels a call. */
  cancel(stream: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(cancelCode);
    this.frame(frameType.reset, 0, stream, payload);
  }

  /** The number of gRPC messages received on a stream. Each must be one frame. */
  messages(stream: number): number {
    const isMessage = (frame: Frame) => frame.stream === stream && frame.type === frameType.data;
    return this.#frames.filter(isMessage).length;
  }

  /** Resolves when so many messages, each in one frame, have been received on a stream. */
  received(stream: number, messages: number): Promise<void> {
    return this.#until(
      () => this.messages(stream) >= messages,
      `${messages} messages on stream ${stream}`,
    );
  }

  /** Whether the server neither closed the connection nor sent GOAWAY. */
  get isServed(): boolean {
    return !this.#isClosed && !this.#frames.some(({ type }) => type === frameType.goAway);
  }

  /** Resolves with the error code of the first RST_STREAM or GOAWAY. */
  async broken(): Promise<number> {
    const isBreak = ({ type }: Frame) => type === frameType.reset || type === frameType.goAway;
    await this.#until(() => this.#frames.some(isBreak), 'RST_STREAM or GOAWAY');
    const frame = this.#frames.find(isBreak);
    if (frame === undefined) throw new Error('unreachable');
    return frame.payload.readUInt32BE(frame.type === frameType.reset ? 0 : 4);
  }

  /** Resolves when the server has ended the stream in any way. */
  async closed(stream: number): Promise<void> {
    await this.#until(
      () =>
        this.#isClosed ||
        this.#frames.some(
          (frame) =>
            frame.type === frameType.goAway ||
            (frame.stream === stream &&
              (frame.type === frameType.reset ||
                (frame.type === frameType.headers && (frame.flags & flag.endStream) !== 0))),
        ),
      `end of stream ${stream}`,
    );
  }

  /** Resolves when the server has closed the connection. */
  disconnected(): Promise<void> {
    return this.#until(() => this.#isClosed, 'end of the connection');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.destroy();
    await closed;
  }

  #onData(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    while (this.#unread.length >= frameHeadBytes) {
      const end = frameHeadBytes + this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < end) break;
      const frame = {
        type: this.#unread.readUInt8(3),
        flags: this.#unread.readUInt8(4),
        stream: this.#unread.readUInt32BE(5),
        payload: this.#unread.subarray(frameHeadBytes, end),
      };
      this.#unread = this.#unread.subarray(end);
      this.#frames.push(frame);
      if (frame.type === frameType.settings && (frame.flags & flag.ack) === 0) {
        this.frame(frameType.settings, flag.ack, 0, Buffer.alloc(0));
      }
    }
    this.#changed.notify();
  }

  #until(holds: () => boolean, what: string): Promise<void> {
    const seen = () => this.#frames.map(({ type, stream }) => `${type}@${stream}`).join(' ');
    return this.#changed.until(() => `${what} (frames: ${seen()})`, holds, waitMs);
  }
}
