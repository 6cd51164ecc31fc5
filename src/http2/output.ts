/**
 * What goes out on one socket: collected in a borrowed chunk during a turn, written at its end in one go. Small pieces
 * are copied into the chunk, large ones pass by reference, which is safe because bytes handed on are never written
 * again. A connection that is silent owns no chunk, so a thousand idle ones cost nothing.
 *
 * It also knows how much the socket has not taken yet; what to do about that is the connection's business.
 */
import type { Socket } from 'node:net';
import { atEndOfTurn, type Flushable } from './end-of-turn.ts';
import { limits } from './limits.ts';

const chunkBytes = 65_536;
const freeChunksMax = 64;
/** From here on writing by reference is cheaper than copying. */
const referenceBytesMin = 8_192;

const freeChunks: Buffer[] = [];
const noChunk = Buffer.alloc(0);

export class Output implements Flushable {
  /** Write at `at` after `reserve`, and move `at` behind what was written. */
  chunk: Buffer = noChunk;
  at = 0;
  readonly #socket: Socket;
  /** TLS takes bytes one step later than a plain socket, which mostly takes everything at once. */
  readonly #keepsWrites: boolean;
  /** Where the part of the chunk begins that is not in `#parts` yet. */
  #from = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  /** Chunks that `#parts` points into. */
  #chunks: Buffer[] = [];
  /** Memory that is free when what was appended so far has been taken. */
  #spent: Uint8Array[] = [];
  #registered = false;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#keepsWrites = 'encrypted' in socket;
  }

  /** Bytes that are not in the hands of the system yet. */
  get backlogBytes(): number {
    return this.#socket.writableLength + this.#partsBytes + this.at - this.#from;
  }

  /** Makes room for `bytes` in one piece, at most a frame with its header. */
  reserve(bytes: number): void {
    if (this.at + bytes > this.chunk.length) this.#nextChunk();
    if (this.#registered) return;
    this.#registered = true;
    atEndOfTurn(this);
  }

  /** Appends bytes of any length, by copy or by reference. */
  append(bytes: Uint8Array): void {
    if (bytes.length < referenceBytesMin) {
      this.reserve(bytes.length);
      this.chunk.set(bytes, this.at);
      this.at += bytes.length;
      return;
    }
    this.reserve(0);
    this.#cut();
    this.#parts.push(bytes);
    this.#partsBytes += bytes.length;
    if (this.#partsBytes >= limits.turnOutputBytesMax) this.#write();
  }

  /**
   * Frees the memory that `bytes` lies in when the socket has taken everything that was appended so far. The collector would
   * find it too, but is driven into full collections by megabytes outside of its heap.
   */
  giveBack(bytes: Uint8Array): void {
    this.#spent.push(bytes);
  }

  flush(): void {
    this.#registered = false;
    this.#write();
  }

  /** Nothing more is written; what was not flushed is dropped. */
  close(): void {
    this.#closed = true;
    this.#write();
  }

  #nextChunk(): void {
    this.#cut();
    if (this.#partsBytes >= limits.turnOutputBytesMax) this.#write();
    this.chunk = freeChunks.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
    this.#chunks.push(this.chunk);
    this.at = 0;
    this.#from = 0;
  }

  #cut(): void {
    if (this.at === this.#from) return;
    this.#parts.push(this.chunk.subarray(this.#from, this.at));
    this.#partsBytes += this.at - this.#from;
    this.#from = this.at;
  }

  #write(): void {
    this.#cut();
    const parts = this.#parts;
    const chunks = this.#chunks;
    if (chunks.length > 0) {
      this.#chunks = [];
      this.chunk = noChunk;
      this.at = 0;
      this.#from = 0;
    }
    if (parts.length === 0) {
      release(chunks);
      return;
    }
    this.#parts = [];
    this.#partsBytes = 0;
    const socket = this.#socket;
    if (this.#closed || !socket.writable) {
      release(chunks);
      return;
    }
    if (chunks.length > 0 && (this.#keepsWrites || socket.writableLength > 0)) {
      // The socket will not be done with this write at once: let it keep what is used of the chunk, and not the chunk.
      for (const [i, part] of parts.entries()) {
        if (part.buffer.byteLength === chunkBytes) parts[i] = Buffer.from(part);
      }
      release(chunks);
      chunks.length = 0;
    }
    const last = parts.pop() as Uint8Array;
    if (parts.length > 0) socket.cork();
    for (const part of parts) socket.write(part);
    socket.write(last, this.#freeing());
    if (parts.length > 0) socket.uncork();
    // What is still pending owns its chunks, and leaves them to the collector.
    if (socket.writableLength === 0) release(chunks);
  }

  /** What is to be done when the write that is about to begin is over; in most cases nothing. */
  #freeing(): (() => void) | undefined {
    if (this.#spent.length === 0) return undefined;
    const spent = this.#spent;
    this.#spent = [];
    return () => {
      for (const { buffer } of spent) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
    };
  }
}

function release(chunks: Buffer[]): void {
  for (const chunk of chunks) {
    if (freeChunks.length < freeChunksMax) freeChunks.push(chunk);
  }
}
