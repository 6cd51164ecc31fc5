/**
 * Iterates over the fields of one message, for code that needs a few fields of it. It decodes a value only on request and
 * copies nothing: `bytes()` is a view of the source. It rejects the same bytes as malformed as the rewriter does, for the
 * reasons in rewrite/scan.ts.
 *
 *   const reader = new Reader(message);
 *   while (reader.next()) if (reader.field === 3) revision = reader.number();
 *   if (reader.malformed) …
 */
import { varintEnd } from './varint.ts';

const noBytes = new Uint8Array(0);

export const WireType = { VARINT: 0, I64: 1, LEN: 2, I32: 5 } as const;

export class Reader {
  /** The number of the current field. 0 before the first `next`. */
  field = 0;
  /** One of `WireType`. */
  wireType = 0;
  /** Offsets in the source: of the tag, of the value without its length, and after the value. */
  fieldStart = 0;
  valueStart = 0;
  fieldEnd: number;
  /** Set if `next` has found bytes that are not protobuf, or a getter was called on another wire type. Stays set. */
  malformed = false;
  readonly #source: Uint8Array;
  readonly #end: number;

  constructor(source: Uint8Array, start = 0, end: number = source.length) {
    this.#source = source;
    this.fieldEnd = start;
    this.#end = end;
  }

  /** Moves to the next field. Returns false at the end of the message, and if the next field is not protobuf. */
  next(): boolean {
    if (this.malformed || this.fieldEnd === this.#end) return false;
    this.fieldStart = this.fieldEnd;
    this.fieldEnd = this.#fieldEnd();
    if (!this.malformed) return true;
    this.fieldEnd = this.fieldStart;
    return false;
  }

  /** A varint as int64, rounded to the nearest number beyond 2^53. The sign is exact. */
  number(): number {
    const value = this.safeNumber();
    return value === -1 ? Number(this.int64()) : value;
  }

  /** A varint as an exact number, or −1 if it is negative or larger than 2^53 − 1. Faster than `int64`. */
  safeNumber(): number {
    if (this.malformed || this.wireType !== WireType.VARINT) {
      this.malformed = true;
      return 0;
    }
    // Eight bytes hold 56 bits.
    if (this.fieldEnd - this.valueStart > 8) return -1;
    let value = 0;
    for (let at = this.fieldEnd - 1; at >= this.valueStart; at--) {
      value = value * 0x80 + ((this.#source[at] as number) & 0x7f);
    }
    return value <= Number.MAX_SAFE_INTEGER ? value : -1;
  }

  /** A varint as int64, exact. */
  int64(): bigint {
    if (this.malformed || this.wireType !== WireType.VARINT) {
      this.malformed = true;
      return 0n;
    }
    let value = 0n;
    for (let at = this.fieldEnd - 1; at >= this.valueStart; at--) {
      value = (value << 7n) | BigInt((this.#source[at] as number) & 0x7f);
    }
    return BigInt.asIntN(64, value);
  }

  /** A varint as bool. */
  bool(): boolean {
    return this.int64() !== 0n;
  }

  /** The content of a length-delimited field, a view of the source. */
  bytes(): Uint8Array {
    if (this.malformed || this.wireType !== WireType.LEN) {
      this.malformed = true;
      return noBytes;
    }
    return this.#source.subarray(this.valueStart, this.fieldEnd);
  }

  /** The whole field with its tag, a view of the source. */
  raw(): Uint8Array {
    return this.#source.subarray(this.fieldStart, this.fieldEnd);
  }

  /** A reader of the message in the current field. */
  message(): Reader {
    return new Reader(this.bytes());
  }

  /** Reads the tag and the length, if any. Returns the end of the field, or sets `malformed`. */
  #fieldEnd(): number {
    const tag = this.#uint32(this.fieldStart);
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (this.malformed || this.field === 0) return this.#setMalformed();
    if (this.wireType === WireType.LEN) {
      const length = this.#uint32(this.valueStart);
      return length > this.#end - this.valueStart ? this.#setMalformed() : this.valueStart + length;
    }
    if (this.wireType === WireType.VARINT) {
      const end = varintEnd(this.#source, this.valueStart, this.#end);
      return end < 0 ? this.#setMalformed() : end;
    }
    const size = this.wireType === WireType.I64 ? 8 : this.wireType === WireType.I32 ? 4 : -1;
    if (size < 0 || size > this.#end - this.valueStart) return this.#setMalformed();
    return this.valueStart + size;
  }

  /** Reads a tag or a length: a varint of at most five bytes and 32 bits. Sets `valueStart` to the offset after it. */
  #uint32(start: number): number {
    let value = 0;
    for (let at = start, scale = 1; at < this.#end && at < start + 5; at++, scale *= 0x80) {
      const byte = this.#source[at] as number;
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      this.valueStart = at + 1;
      return value <= 0xffff_ffff ? value : this.#setMalformed();
    }
    return this.#setMalformed();
  }

  #setMalformed(): number {
    this.malformed = true;
    return 0;
  }
}
