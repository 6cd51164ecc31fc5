/** The DATA of one stream that waits for a window: pieces by reference, in order, and how the stream ends after them. */
import type { HeaderTemplate } from './hpack/encoder.ts';

export class SendQueue {
  bytes = 0;
  /** The last byte carries END_STREAM. */
  ended = false;
  /** Trailers to send after the last byte; null if the stream ends otherwise. */
  trailers: HeaderTemplate | null = null;
  /** Set by `take` if it took the end of an owned body, whose memory may be released once it is written; else null. */
  finished: Uint8Array | null = null;
  #pieces: Uint8Array[] = [];
  #next = 0;
  /** Bytes already taken of the next piece. */
  #offset = 0;
  /** Pieces whose memory the queue owns; null if it owns none. */
  #owned: Set<Uint8Array> | null = null;

  /** `lead` is copied. `body` is kept by reference and never written to; `isOwned` as in `Stream.sendData`. */
  push(lead: Uint8Array, body: Uint8Array, ended: boolean, isOwned: boolean): void {
    if (lead.length > 0) this.#pieces.push(Buffer.from(lead));
    if (body.length > 0) this.#pieces.push(body);
    if (isOwned && body.length > 0) {
      this.#owned ??= new Set();
      this.#owned.add(body);
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

  #dropTaken(): void {
    if (this.#next < 64 && this.#next < this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#next);
    this.#next = 0;
  }
}
