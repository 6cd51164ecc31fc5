/**
 * Reads and writes varints of lease IDs, tag × 2^31 + visible ID, as two halves. A stored ID exceeds 2^53, and BigInt would
 * allocate on the hot path. Split at bit 31, both halves are plain integers.
 */

/** An int64 in halves. The scan reads into the same object again and again. */
export class LeaseVarint {
  /** Bits 0 to 30: the visible ID. */
  low = 0;
  /** Bits 31 to 62: the tag of a stored ID. */
  high = 0;
  isNegative = false;
  /** The offset after the varint. */
  end = 0;

  /** Returns false and changes nothing if the varint is cut off, longer than ten bytes or longer than 64 bits. */
  read(source: Uint8Array, start: number, end: number): boolean {
    const limit = Math.min(end, start + 10);
    let low = 0;
    let high = 0;
    let isNegative = false;
    for (let at = start, shift = 0; at < limit; at++, shift += 7) {
      const byte = source[at] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= (bits & 7) << 28;
        high = bits >>> 3;
      } else if (shift < 63) high |= bits << (shift - 31);
      else if (byte > 1) return false;
      else isNegative = byte === 1;
      if (byte > 0x7f) continue;
      this.end = at + 1;
      this.low = low;
      this.high = high >>> 0;
      this.isNegative = isNegative;
      return true;
    }
    return false;
  }

  get isZero(): boolean {
    return !this.isNegative && this.high === 0 && this.low === 0;
  }

  /** Whether it is a valid visible ID. */
  get isVisible(): boolean {
    return !this.isNegative && this.high === 0 && this.low > 0;
  }

  /** Whether it is a stored ID with this tag. */
  isStoredWith(tag: number): boolean {
    return !this.isNegative && this.high === tag;
  }
}

/** Length of the varint of tag × 2^31 + visible, for any visible ID and a tag from 1 to 2^32−1. */
export function storedLeaseBytes(tag: number): number {
  if (tag < 0x10) return 5;
  if (tag < 0x800) return 6;
  if (tag < 0x4_0000) return 7;
  return tag < 0x200_0000 ? 8 : 9;
}

/** Writes the varint of tag × 2^31 + visible and returns the offset after it. */
export function writeStoredLease(
  target: Uint8Array,
  offset: number,
  tag: number,
  visible: number,
): number {
  let at = offset;
  target[at++] = (visible & 0x7f) | 0x80;
  target[at++] = ((visible >>> 7) & 0x7f) | 0x80;
  target[at++] = ((visible >>> 14) & 0x7f) | 0x80;
  target[at++] = ((visible >>> 21) & 0x7f) | 0x80;
  // The fifth byte has bits 28 to 30 of the visible ID and the lowest four bits of the tag.
  let byte = (visible >>> 28) | ((tag & 0xf) << 3);
  let rest = tag >>> 4;
  while (rest > 0) {
    target[at++] = byte | 0x80;
    byte = rest & 0x7f;
    rest >>>= 7;
  }
  target[at++] = byte;
  return at;
}
