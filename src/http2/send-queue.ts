/**
 * The DATA of one stream that waits for a window: pieces by reference, in order, and how the stream ends after them. Messages
 * that the queue owns count in the account of the connection until they are written, because all of their memory is in use
 * until then. If the process needs that memory, the queue is shed: the stream is reset.
 */
import { type ByteAccount, ByteHold } from '../runtime/byte-budget.ts';
import { releaseMemory } from '../runtime/large-memory.ts';
import type { HeaderTemplate } from './hpack/encoder.ts';
import type { Output, WrittenBytes } from './output.ts';

/** The stream of a queue. */
export interface QueueOwner {
  readonly isClosed: boolean;
  /** Gives the memory of the queue back, or, once the stream is closed, that of the connection. */
  onQueueShed(): void;
}

class QueueHold extends ByteHold {
  readonly #owner: QueueOwner;
  #isGivenUp = false;

  constructor(account: ByteAccount, owner: QueueOwner) {
    super(account);
    this.#owner = owner;
  }

  /** The bytes of a closed stream are in the socket. Only a client that does not read keeps them there. */
  override get canShed(): boolean {
    return this.#owner.isClosed ? this.isIdle && !this.#isGivenUp : true;
  }

  override onReserved(): void {}

  override onShed(): void {
    if (this.#owner.isClosed) this.#isGivenUp = true;
    this.#owner.onQueueShed();
  }
}

export class SendQueue implements WrittenBytes {
  bytes = 0;
  /** The last byte carries END_STREAM. */
  ended = false;
  /** Trailers to send after the last byte; null if the stream ends otherwise. */
  trailers: HeaderTemplate | null = null;
  /** Set by `take` if it took the end of an owned body, whose memory may be released once it is written; else null. */
  finished: Uint8Array | null = null;
  readonly #account: ByteAccount | null;
  readonly #owner: QueueOwner;
  #pieces: Uint8Array[] = [];
  #next = 0;
  /** Bytes already taken of the next piece. */
  #offset = 0;
  /** Pieces whose memory the queue owns; null if it owns none. */
  #owned: Set<Uint8Array> | null = null;
  #hold: QueueHold | null = null;

  /** `account` is null if the bytes do not count. */
  constructor(account: ByteAccount | null, owner: QueueOwner) {
    this.#account = account;
    this.#owner = owner;
  }

  /** `lead` is copied. `body` is kept by reference and never written to; `isOwned` as in `Stream.sendData`. */
  push(lead: Uint8Array, body: Uint8Array, ended: boolean, isOwned: boolean): void {
    if (lead.length > 0) this.#pieces.push(Buffer.from(lead));
    if (body.length > 0) this.#pieces.push(body);
    if (isOwned && body.length > 0) {
      this.#owned ??= new Set();
      this.#owned.add(body);
      if (this.#account !== null) {
        this.#hold ??= new QueueHold(this.#account, this.#owner);
        this.#hold.count(body.length);
      }
    }
    this.bytes += lead.length + body.length;
    if (ended) this.ended = true;
  }

  /** Takes the next piece, or the first `bytesMax` of it. The queue must not be empty. */
  take(bytesMax: number): Uint8Array {
    const piece = this.#pieces[this.#next] as Uint8Array;
    const rest = piece.length - this.#offset;
    const length = Math.min(rest, bytesMax);
    const taken =
      length === piece.length ? piece : piece.subarray(this.#offset, this.#offset + length);
    this.bytes -= length;
    this.finished = null;
    if (this.#hold !== null) this.#hold.hasMoved = true;
    if (length < rest) {
      this.#offset += length;
      return taken;
    }
    this.#offset = 0;
    this.#next++;
    if (this.#owned?.delete(piece) === true) this.finished = piece;
    this.#dropTaken();
    return taken;
  }

  /** `bytes` are not in use any more: the socket has taken them, or they were never passed to it. */
  onWritten(bytes: Uint8Array): void {
    this.#hold?.release(bytes.length);
    releaseMemory(bytes);
  }

  /** The stream was closed: nothing more is taken. Of a piece that was taken in part, `output` may still write bytes. */
  drop(output: Output): void {
    const partial = this.#offset > 0 ? this.#pieces[this.#next] : undefined;
    for (const piece of this.#owned ?? []) {
      if (piece === partial) output.releaseAfterWrite(piece, this);
      else this.onWritten(piece);
    }
    this.#owned = null;
    this.#pieces = [];
  }

  #dropTaken(): void {
    if (this.#next < 64 && this.#next < this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#next);
    this.#next = 0;
  }
}
