/**
 * The bytes to send on one socket: collected in a chunk during a turn of the event loop and written at its end, in one write.
 * Small pieces are copied into the chunk. Large ones pass by reference, which is safe because their owner does not change
 * them. A connection that sends nothing has no chunk, so a thousand idle ones cost nothing. bench/micro/http2.bench.ts,
 * "frames written" of 40 B (2-core VM, Node 24, 2026-11): 14 ns each in a chunk, 65 ns as a Buffer each, joined.
 *
 * It also reports the socket's backlog. Backpressure is applied by the connection and the sender.
 */
import type { Socket } from 'node:net';
import { atEndOfTurn, type Flushable } from './end-of-turn.ts';
import { limits } from './limits.ts';

const chunkBytes = 65_536;
const freeChunksMax = 64;
/**
 * A turn begins with a small chunk, and most turns need no more. A fan-out to 500 connections fills 500 chunks in one turn:
 * with large ones, allocating them was half of its CPU.
 */
const smallChunkBytes = 4_096;
const freeSmallChunksMax = 1_024;
/** From this size on, writing by reference is cheaper than copying. */
const referenceBytesMin = 8_192;

const freeChunks: Buffer[] = [];
const freeSmallChunks: Buffer[] = [];
/** The memory of all chunks, to distinguish them from pieces by reference. */
const chunkMemory = new WeakSet<ArrayBufferLike>();
const noChunk = Buffer.alloc(0);

/** Where bytes come from that are kept in memory until they are written. */
export interface WrittenBytes {
  onWritten(bytes: Uint8Array): void;
}

export class Output implements Flushable {
  /** Call `reserve`, write at `at`, then advance `at`. */
  chunk: Buffer = noChunk;
  at = 0;
  readonly #socket: Socket;
  /** A TLS socket reads its input after `write` returns; a plain socket mostly hands it to the system at once. */
  readonly #keepsWrites: boolean;
  /** Start of the part of the chunk that is not in `#parts` yet. */
  #from = 0;
  /** What precedes that part: pieces by reference and parts of full chunks. Usually empty. */
  #parts: Uint8Array[] = [];
  #partsBytes = 0;
  /** Full chunks, to which `#parts` refers. */
  #full: Buffer[] = [];
  /** What to report when everything appended so far was written. */
  #owned: { readonly bytes: Uint8Array; readonly from: WrittenBytes }[] = [];
  #registered = false;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#keepsWrites = 'encrypted' in socket;
  }

  /** Bytes that the operating system has not taken yet. */
  get backlogBytes(): number {
    return this.#socket.writableLength + this.#partsBytes + this.at - this.#from;
  }

  /** Makes room for `bytes` in one piece, at most a frame with its header. */
  reserve(bytes: number): void {
    if (this.at + bytes > this.chunk.length) this.#nextChunk(bytes);
    if (this.#registered) return;
    this.#registered = true;
    atEndOfTurn(this);
  }

  /** Appends bytes of any length, by copy or by reference. They must not change until they are written. */
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

  /** Reports `bytes` when the socket has taken everything appended so far, or has closed. */
  releaseAfterWrite(bytes: Uint8Array, from: WrittenBytes): void {
    this.#owned.push({ bytes, from });
    if (this.#closed) this.#releaseAtClose();
  }

  flush(): void {
    this.#registered = false;
    this.#write();
  }

  /** Drops what was not flushed. Nothing is written afterwards. */
  close(): void {
    this.#closed = true;
    this.#write();
    this.#releaseAtClose();
  }

  /** Until the socket has closed, the system may still read what was written. */
  #releaseAtClose(): void {
    const release = this.#onWritten();
    if (release === undefined) return;
    if (this.#socket.closed) release();
    else this.#socket.once('close', release);
  }

  #nextChunk(bytes: number): void {
    const { chunk, at } = this;
    if (chunk === noChunk && bytes <= smallChunkBytes) {
      this.#begin(freeSmallChunks.pop() ?? newChunk(smallChunkBytes));
      return;
    }
    if (chunk.length === smallChunkBytes && this.#from === 0) {
      // Copied, so that the turn still has one piece to write.
      this.#begin(freeChunks.pop() ?? newChunk(chunkBytes));
      this.chunk.set(chunk.subarray(0, at));
      this.at = at;
      freeChunk(chunk);
      return;
    }
    this.#cut();
    if (chunk !== noChunk) this.#full.push(chunk);
    this.chunk = noChunk;
    if (this.#partsBytes >= limits.turnOutputBytesMax) this.#write();
    this.#begin(freeChunks.pop() ?? newChunk(chunkBytes));
  }

  #begin(chunk: Buffer): void {
    this.chunk = chunk;
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
    const socket = this.#socket;
    // If the socket keeps its input after this write, it gets copies of the used parts of chunks.
    const mustCopy = this.#keepsWrites || socket.writableLength > 0;
    if (!this.#closed && socket.writable) {
      if (this.#parts.length > 0) this.#writeParts(mustCopy);
      else if (this.at > this.#from) {
        const bytes = this.chunk.subarray(this.#from, this.at);
        socket.write(mustCopy ? Buffer.from(bytes) : bytes, this.#onWritten());
      }
    }
    // A write that is still pending keeps its chunks, and the collector frees them.
    if (mustCopy || socket.writableLength === 0) {
      freeChunk(this.chunk);
      for (const chunk of this.#full) freeChunk(chunk);
    }
    if (this.#full.length > 0) this.#full = [];
    if (this.#parts.length > 0) this.#parts = [];
    this.#partsBytes = 0;
    this.chunk = noChunk;
    this.at = 0;
    this.#from = 0;
  }

  #writeParts(mustCopy: boolean): void {
    this.#cut();
    const socket = this.#socket;
    const parts = this.#parts;
    const last = parts.length - 1;
    socket.cork();
    for (const [i, part] of parts.entries()) {
      const bytes = mustCopy && chunkMemory.has(part.buffer) ? Buffer.from(part) : part;
      if (i < last) socket.write(bytes);
      else socket.write(bytes, this.#onWritten());
    }
    socket.uncork();
  }

  /** The callback for the next write: it reports owned bytes. Undefined without owned bytes, the usual case. */
  #onWritten(): (() => void) | undefined {
    if (this.#owned.length === 0) return undefined;
    const owned = this.#owned;
    this.#owned = [];
    return () => {
      for (const { bytes, from } of owned) from.onWritten(bytes);
    };
  }
}

function newChunk(bytes: number): Buffer {
  const chunk = Buffer.allocUnsafeSlow(bytes);
  chunkMemory.add(chunk.buffer);
  return chunk;
}

function freeChunk(chunk: Buffer): void {
  if (chunk.length === chunkBytes) {
    if (freeChunks.length < freeChunksMax) freeChunks.push(chunk);
  } else if (chunk !== noChunk && freeSmallChunks.length < freeSmallChunksMax) {
    freeSmallChunks.push(chunk);
  }
}
