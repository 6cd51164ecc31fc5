/**
 * A walk over the fields of one message, for parts that read a few fields of messages that are not worth a table. It
 * decodes nothing it is not asked for and copies nothing: `bytes()` is a view of the source. It refuses exactly what
 * the rewriter refuses (see scan.ts for why), so what passes one passes the other.
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
  /** Offsets in the source: the tag, the value without its length, and the byte after the value. */
  fieldStart = 0;
  valueStart = 0;
  fieldEnd: number;
  /** Set once `next` has found something that is not protobuf, or a getter was used on another wire type. Stays set. */
  malformed = false;
  readonly #source: Uint8Array;
  readonly #end: number;

  constructor(source: Uint8Array, start = 0, end: number = source.length) {
    this.#source = source;
    this.fieldEnd = start;
    this.#end = end;
  }

  /** Moves to the next field. False at the end of the message, and at the first byte that is not protobuf. */
  next(): boolean {
    if (this.malformed || this.fieldEnd === this.#end) return false;
    this.fieldStart = this.fieldEnd;
    this.fieldEnd = this.#fieldEnd();
    if (!this.malformed) return true;
    this.fieldEnd = this.fieldStart;
    return false;
  }

  /** A varint as int64, rounded to the nearest number where it lies beyond 2^53: the sign is always right. */
  number(): number {
    return Number(this.int64());
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

  /** The whole field with its tag, a view of the source. For copying it on unchanged. */
  raw(): Uint8Array {
    return this.#source.subarray(this.fieldStart, this.fieldEnd);
  }

  /** A reader of the message in the current field. */
  message(): Reader {
    return new Reader(this.bytes());
  }

  /** Reads tag and, where there is one, length. Returns where the field ends, or sets `malformed`. */
  #fieldEnd(): number {
    const tag = this.#uint32(this.fieldStart);
    this.field = tag >>> 3;
    this.wireType = tag & 7;
    if (this.malformed || this.field === 0) return this.#refuse();
    if (this.wireType === WireType.LEN) {
      const length = this.#uint32(this.valueStart);
      return length > this.#end - this.valueStart ? this.#refuse() : this.valueStart + length;
    }
    if (this.wireType === WireType.VARINT) {
      const end = varintEnd(this.#source, this.valueStart, this.#end);
      return end < 0 ? this.#refuse() : end;
    }
    const size = this.wireType === WireType.I64 ? 8 : this.wireType === WireType.I32 ? 4 : -1;
    if (size < 0 || size > this.#end - this.valueStart) return this.#refuse();
    return this.valueStart + size;
  }

  /** A tag or a length: a varint of at most five bytes that fits 32 bits. Leaves the offset after it in `valueStart`. */
  #uint32(start: number): number {
    let value = 0;
    for (let at = start, scale = 1; at < this.#end && at < start + 5; at++, scale *= 0x80) {
      const byte = this.#source[at] as number;
      value += (byte & 0x7f) * scale;
      if (byte > 0x7f) continue;
      this.valueStart = at + 1;
      return value <= 0xffff_ffff ? value : this.#refuse();
    }
    return this.#refuse();
  }

  #refuse(): number {
    this.malformed = true;
    return 0;
  }
}
