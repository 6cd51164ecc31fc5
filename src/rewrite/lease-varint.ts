/**
 * Reads varints of lease IDs as two halves of 32 bits. A stored ID exceeds 2^53, and BigInt would allocate on the hot path.
 */

/** An int64 in unsigned halves. The scan reads into the same object again and again. */
export class LeaseVarint {
  /** Bits 0 to 31. */
  low = 0;
  /** Bits 32 to 63. */
  high = 0;
  /** The offset after the varint. */
  end = 0;

  /** Returns false and changes nothing if the varint is cut off, longer than ten bytes or longer than 64 bits. */
  read(source: Uint8Array, start: number, end: number): boolean {
    const limit = Math.min(end, start + 10);
    let low = 0;
    let high = 0;
    for (let at = start, shift = 0; at < limit; at++, shift += 7) {
      const byte = source[at] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (byte > 1) return false;
      else high |= byte << 31;
      if (byte > 0x7f) continue;
      this.end = at + 1;
      this.low = low >>> 0;
      this.high = high >>> 0;
      return true;
    }
    return false;
  }

  get isZero(): boolean {
    return this.high === 0 && this.low === 0;
  }

  get isNegative(): boolean {
    return this.high > 0x7fff_ffff;
  }

  /** Whether it is a valid visible ID. */
  get isVisible(): boolean {
    return this.high === 0 && this.low > 0 && this.low <= 0x7fff_ffff;
  }
}
