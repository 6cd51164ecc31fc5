/** Protobuf bytes of one message under construction, in one buffer that grows. Parts can be cut out again. */

import { int64Varint, varintBytes, writeVarint } from '../../protobuf/varint.ts';
import { asOwned, type OwnedBytes } from '../../runtime/owned-bytes.ts';
import { type Base64Rules, decodeBase64 } from './go-base64.ts';

/** A message starts with room for a short length. A longer one is moved when its length is known. */
const lengthRoom = 1;
/** Unused memory of a message that is not worth a copy. */
const unusedBytesMax = 4_096;

export class MessageOutput {
  length = 0;
  #bytes: Buffer;

  /** `size` is a guess. */
  constructor(size: number) {
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(size, 64));
  }

  varint(value: number): void {
    this.#reserve(5);
    this.length = writeVarint(this.#bytes, this.length, value);
  }

  int64(value: bigint): void {
    this.#append(int64Varint(value));
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.varint(bytes);
    this.#reserve(bytes);
    this.length += this.#bytes.write(value, this.length);
  }

  delimited(value: Uint8Array): void {
    this.varint(value.length);
    this.#append(value);
  }

  /** A field of bytes. Returns −1, or the offset at which the source is not base64, and then appends nothing. */
  base64(source: Uint8Array, start: number, end: number, rules: Base64Rules): number {
    const from = this.length;
    this.#reserve(5 + ((end - start) * 3) / 4 + 3);
    const at = this.begin();
    const written = decodeBase64(source, start, end, this.#bytes, this.length, rules);
    if (written < 0) {
      this.length = from;
      return -1 - written;
    }
    this.length = written;
    this.finish(at);
    return -1;
  }

  /** Starts a value whose length is not known yet. Pass the result to `finish`. */
  begin(): number {
    this.#reserve(lengthRoom);
    const at = this.length;
    this.length += lengthRoom;
    return at;
  }

  finish(at: number): void {
    const start = at + lengthRoom;
    const size = this.length - start;
    const room = varintBytes(size);
    if (room > lengthRoom) {
      this.#reserve(room);
      this.#bytes.copyWithin(at + room, start, this.length);
      this.length += room - lengthRoom;
    }
    writeVarint(this.#bytes, at, size);
  }

  cut(start: number, end: number): void {
    this.#bytes.copyWithin(start, end, this.length);
    this.length -= end - start;
  }

  /** The message, in memory of which it uses at least half. */
  take(): OwnedBytes {
    const message = this.#bytes.subarray(0, this.length);
    const unusedBytes = this.#bytes.length - this.length;
    if (unusedBytes <= Math.max(this.length, unusedBytesMax)) return asOwned(message);
    const copy = Buffer.allocUnsafeSlow(this.length);
    copy.set(message);
    return asOwned(copy);
  }

  #append(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.length);
    this.length += value.length;
  }

  #reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(Math.ceil(needed), this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
