/**
 * Varints of stored lease IDs, tag × 2^31 + visible, written from their two halves. A stored ID exceeds 2^53, and BigInt
 * would allocate on the hot path; split at bit 31 both halves are plain integers.
 */

/** Bytes of the varint of tag × 2^31 + visible, for any visible part and a tag from 1 to 2^32−1. */
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
  // Bits 28 to 30 are the visible part's, 31 to 34 the tag's.
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
