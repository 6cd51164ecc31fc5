/**
 * The bytes of a request body that have arrived and are not processed yet, and their share of the memory for messages.
 *
 *   arriving ─used→ in a call, not shed ─clear→ ∅;   arriving ─clear, or shed→ ∅
 */
import { type ByteAccount, ByteHold } from '../../runtime/byte-budget.ts';

/** Smaller bodies cost no more memory than their connection. */
const countedBytesMin = 16 * 1024;

const noBytes = Buffer.alloc(0);

export class Body extends ByteHold {
  /** Whether the body has not become a call yet. */
  canShed = true;
  readonly #onRefused: () => void;
  #bytes: Buffer = noBytes;
  #length = 0;

  /** `onRefused` is called if no memory is left. */
  constructor(account: ByteAccount, onRefused: () => void) {
    super(account);
    this.#onRefused = onRefused;
  }

  get length(): number {
    return this.#length;
  }

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copies the bytes. */
  append(bytes: Buffer): void {
    const length = this.#length + bytes.length;
    if (length > this.#bytes.length) this.#grow(length);
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
    if (length >= countedBytesMin) this.count(length - this.bytes);
  }

  /** Drops what has been processed, and keeps the rest. */
  drop(length: number): void {
    const rest = this.content.subarray(length);
    this.#length = rest.length;
    this.#bytes = rest.length === 0 ? noBytes : rest;
    if (this.bytes > rest.length) this.release(this.bytes - rest.length);
  }

  /** Drops the body, whose message of `bytes` is in a call now. The message counts until `clear`, like that of a gRPC client. */
  used(bytes: number): void {
    this.canShed = false;
    this.#bytes = noBytes;
    this.#length = 0;
    const counted = bytes < countedBytesMin ? 0 : bytes;
    if (counted > this.bytes) this.count(counted - this.bytes);
    else this.release(this.bytes - counted);
  }

  /** Frees all memory. */
  clear(): void {
    this.#bytes = noBytes;
    this.#length = 0;
    this.release();
  }

  onReserved(): void {}

  onShed(): void {
    this.clear();
    this.#onRefused();
  }

  #grow(length: number): void {
    const isFirst = this.#length === 0;
    const grown = Buffer.allocUnsafe(isFirst ? length : 2 * length);
    grown.set(this.content);
    this.#bytes = grown;
  }
}
