/** The DATA of one stream that waits for a window: pieces by reference, in order, and how the stream ends behind them. */
import type { HeaderTemplate } from './hpack/encoder.ts';

export class SendQueue {
  bytes = 0;
  /** The last byte carries END_STREAM. */
  ended = false;
  /** Sent behind the last byte, ending the stream. */
  trailers: HeaderTemplate | null = null;
  /** Set by `take` when it has taken the last of a piece whose memory is to be given back; else null. */
  spent: Uint8Array | null = null;
  #pieces: Uint8Array[] = [];
  #next = 0;
  /** How much of the next piece was sent. */
  #offset = 0;
  /** Pieces whose memory is to be given back; null while there are none. */
  #own: Set<Uint8Array> | null = null;

  /** `lead` is copied, `body` is kept, and reported as `spent` in the end if it `isOwn`. */
  push(lead: Uint8Array, body: Uint8Array, ended: boolean, isOwn: boolean): void {
    if (lead.length > 0) this.#pieces.push(Buffer.from(lead));
    if (body.length > 0) this.#pieces.push(body);
    if (isOwn) {
      this.#own ??= new Set();
      this.#own.add(body);
    }
    this.bytes += lead.length + body.length;
    if (ended) this.ended = true;
  }

  /** Takes the next piece or the first `bytesMax` of it. There must be one. */
  take(bytesMax: number): Uint8Array {
    const piece = this.#pieces[this.#next] as Uint8Array;
    const rest = piece.length - this.#offset;
    const length = Math.min(rest, bytesMax);
    const taken =
      length === piece.length ? piece : piece.subarray(this.#offset, this.#offset + length);
    this.bytes -= length;
    this.spent = null;
    if (length < rest) {
      this.#offset += length;
      return taken;
    }
    this.#offset = 0;
    this.#next++;
    if (this.#own?.delete(piece) === true) this.spent = piece;
    this.#forgetTaken();
    return taken;
  }

  #forgetTaken(): void {
    if (this.#next < 64 && this.#next < this.#pieces.length) return;
    this.#pieces = this.#pieces.slice(this.#next);
    this.#next = 0;
  }
}
