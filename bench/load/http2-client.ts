/**
 * The client of the load programs: gRPC over HTTP/2 by hand, so that a thousand clients cost the machine little. It reads
 * frames in place, decodes no header blocks, and keeps the server's windows open.
 *
 * It does not track its own send windows. A caller must not have more than 40 KiB of requests in flight on a connection.
 */
import { connect, type Socket } from 'node:net';
import { grpcFrame } from '../messages.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const frameHeaderBytes = 9;
const prefixBytes = 5;
const Frame = { DATA: 0, HEADERS: 1, RST: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, WINDOW: 8 } as const;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
/** Windows of the size to which grpc-go grows them on a fast link. */
const windowBytes = 1 << 20;
const defaultWindowBytes = 65_535;
const noBytes = Buffer.alloc(0);

export interface CallHandler {
  /** `bytes[start..end)` is one message. It is valid until the method returns. */
  onMessage(bytes: Buffer, start: number, end: number): void;
  /** The call or its connection has ended. Not called after `cancel`. */
  onEnd(): void;
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** SETTINGS_ENABLE_PUSH 0 and SETTINGS_INITIAL_WINDOW_SIZE. */
const settings = Buffer.concat([Buffer.from([0, 2, 0, 0, 0, 0, 0, 4]), uint32(windowBytes)]);

function literal(text: string): Buffer {
  if (text.length > 126) throw new RangeError(`${text} is too long for a one-byte length`);
  return Buffer.from(String.fromCharCode(text.length) + text, 'latin1');
}

/** A header block of literals that use no table, RFC 7541: POST, http, path, authority, content-type, te. */
function requestHead(path: string, authority: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04]),
    literal(path),
    Buffer.from([0x01]),
    literal(authority),
    Buffer.from([0x0f, 0x10]),
    literal('application/grpc'),
    Buffer.from([0x00]),
    literal('te'),
    literal('trailers'),
  ]);
}

/** One call. Messages that span frames are joined here. */
class ClientCall {
  readonly id: number;
  readonly handler: CallHandler;
  unacknowledged = 0;
  #partial: Buffer[] = [];
  #partialBytes = 0;

  constructor(id: number, handler: CallHandler) {
    this.id = id;
    this.handler = handler;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#partialBytes === 0) {
      const rest = this.#deliver(bytes, start, end);
      if (rest < end) this.#keep(Buffer.from(bytes.subarray(rest, end)));
      return;
    }
    this.#keep(Buffer.from(bytes.subarray(start, end)));
    if (this.#partialBytes < prefixBytes) return;
    const [first = noBytes] = this.#partial;
    const head = first.length >= prefixBytes ? first : Buffer.concat(this.#partial);
    if (this.#partialBytes < prefixBytes + head.readUInt32BE(1)) return;
    const whole = Buffer.concat(this.#partial);
    this.#partial = [];
    this.#partialBytes = 0;
    const rest = this.#deliver(whole, 0, whole.length);
    if (rest < whole.length) this.#keep(whole.subarray(rest));
  }

  #keep(bytes: Buffer): void {
    this.#partial.push(bytes);
    this.#partialBytes += bytes.length;
  }

  /** Delivers the whole messages. Returns the offset of the first byte after them. */
  #deliver(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (end - at >= prefixBytes) {
      const messageEnd = at + prefixBytes + bytes.readUInt32BE(at + 1);
      if (messageEnd > end) break;
      this.handler.onMessage(bytes, at + prefixBytes, messageEnd);
      at = messageEnd;
    }
    return at;
  }
}

/** Shared by all connections: a read is processed before the next one begins. */
const readBuffer = Buffer.allocUnsafeSlow(65_536);

export class Http2Client {
  /** Resolves when the server's SETTINGS have arrived. Rejects if the connection ends before. */
  readonly ready: Promise<void>;
  /** Bytes of gRPC messages received, with their prefixes. */
  receivedBytes = 0;
  readonly #socket: Socket;
  readonly #authority: string;
  readonly #calls = new Map<number, ClientCall>();
  #nextId = 1;
  #unacknowledged = 0;
  #rest: Buffer = noBytes;
  #out: Uint8Array[] = [];
  #onReady: () => void = () => {};

  constructor(port: number) {
    this.#authority = `127.0.0.1:${port}`;
    const onread = {
      buffer: readBuffer,
      callback: (bytes: number) => this.#onRead(bytes),
    };
    // Node's types lack `onread` with a fixed buffer that returns true.
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#socket.on('error', reject);
      this.#socket.on('close', () => {
        reject(new Error(`${this.#authority} closed the connection`));
        this.#onClose();
      });
    });
    this.ready.catch(() => {
      // Also reported to every open call.
    });
    this.#write(Buffer.from(preface, 'latin1'));
    this.#write(frame(Frame.SETTINGS, 0, 0, settings));
    this.#write(frame(Frame.WINDOW, 0, 0, uint32(windowBytes - defaultWindowBytes)));
  }

  /** Opens a call and returns its ID. */
  open(path: string, handler: CallHandler): number {
    const id = this.#nextId;
    this.#nextId += 2;
    this.#calls.set(id, new ClientCall(id, handler));
    this.#write(frame(Frame.HEADERS, END_HEADERS, id, requestHead(path, this.#authority)));
    return id;
  }

  send(id: number, message: Uint8Array, ended: boolean): void {
    this.#write(frame(Frame.DATA, ended ? END_STREAM : 0, id, grpcFrame(message)));
  }

  /** The response of a unary call. Rejects if the call ends without one. */
  unary(path: string, message: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const id = this.open(path, {
        onMessage: (bytes, start, end) => resolve(Buffer.from(bytes.subarray(start, end))),
        onEnd: () => reject(new Error(`${path} ended without a response`)),
      });
      this.send(id, message, true);
    });
  }

  close(): void {
    this.#calls.clear();
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): void {
    if (this.#out.push(bytes) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const out = this.#out;
    this.#out = [];
    this.#socket.write(out.length === 1 ? (out[0] ?? noBytes) : Buffer.concat(out));
  }

  #onClose(): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.handler.onEnd();
  }

  #onRead(count: number): boolean {
    let bytes = readBuffer;
    let end = count;
    if (this.#rest.length > 0) {
      bytes = Buffer.concat([this.#rest, readBuffer.subarray(0, count)]);
      end = bytes.length;
      this.#rest = noBytes;
    }
    let at = 0;
    while (end - at >= frameHeaderBytes) {
      const payload = at + frameHeaderBytes;
      const frameEnd = payload + bytes.readUIntBE(at, 3);
      if (frameEnd > end) break;
      this.#onFrame(bytes, at, payload, frameEnd);
      at = frameEnd;
    }
    if (at < end) this.#rest = Buffer.from(bytes.subarray(at, end));
    return true;
  }

  #onFrame(bytes: Buffer, at: number, payload: number, end: number): void {
    const type = bytes[at + 3];
    const flags = bytes[at + 4] ?? 0;
    const id = bytes.readUInt32BE(at + 5);
    if (type === Frame.DATA) this.#onData(id, bytes, payload, end);
    else if (type === Frame.SETTINGS && (flags & ACK) === 0) {
      this.#write(frame(Frame.SETTINGS, ACK, 0, noBytes));
      this.#onReady();
    } else if (type === Frame.PING && (flags & ACK) === 0) {
      this.#write(frame(Frame.PING, ACK, 0, Buffer.from(bytes.subarray(payload, end))));
    }
    const hasEnded = (type === Frame.DATA || type === Frame.HEADERS) && (flags & END_STREAM) !== 0;
    if (hasEnded || type === Frame.RST) this.#end(id);
  }

  #end(id: number): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    call?.handler.onEnd();
  }

  #onData(id: number, bytes: Buffer, start: number, end: number): void {
    const call = this.#calls.get(id);
    const length = end - start;
    this.receivedBytes += length;
    this.#unacknowledged += length;
    if (this.#unacknowledged >= windowBytes / 2) {
      this.#write(frame(Frame.WINDOW, 0, 0, uint32(this.#unacknowledged)));
      this.#unacknowledged = 0;
    }
    if (call === undefined) return;
    call.unacknowledged += length;
    if (call.unacknowledged >= windowBytes / 2) {
      this.#write(frame(Frame.WINDOW, 0, id, uint32(call.unacknowledged)));
      call.unacknowledged = 0;
    }
    call.onData(bytes, start, end);
  }
}
