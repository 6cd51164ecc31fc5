/**
 * A varint read as int64, in numbers: what the scan has to know of a lease ID or an enum. Two halves, because a stored lease ID
 * is a namespace's tag above the ID that its tenant sees. One object that is read into again and again; holds no bytes.
 */
export class Int64 {
  /** Bits 0 to 30. */
  low = 0;
  /** Bits 31 to 62. */
  high = 0;
  isNegative = false;
  /** The offset after what was read. */
  end = 0;

  /** False, and nothing changed, when it is cut off, longer than ten bytes or of more than 64 bits. */
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

  /** Whether it is an ID that a tenant can see. */
  get isVisible(): boolean {
    return !this.isNegative && this.high === 0 && this.low > 0;
  }

  /** Whether it is a stored ID of the namespace with this tag. */
  hasTag(leaseTag: number): boolean {
    return !this.isNegative && this.high === leaseTag;
  }
}
