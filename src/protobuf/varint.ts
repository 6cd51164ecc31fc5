/** Protobuf varints: sizes, ends and bytes. 64-bit values are bigint. */

/** Size of the varint of `value`, an integer from 0 to 2^32−1. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

/** Writes the varint of `value`, an integer from 0 to 2^32−1, and returns the offset after it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** The varint of an int64, 1 to 10 bytes. Negative values are in two's complement. */
export function int64Varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** The offset after the varint at `start`, or −1 if it is cut off, longer than 10 bytes or longer than 64 bits. */
export function varintEnd(source: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end, start + 10);
  for (let at = start; at < limit; at++) {
    const byte = source[at] as number;
    if (byte > 0x7f) continue;
    return at === start + 9 && byte > 1 ? -1 : at + 1;
  }
  return -1;
}
