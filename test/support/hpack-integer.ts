/** An integer of HPACK, RFC 7541, section 5.1, in a prefix of which `mask` has all bits. The other bits of the prefix are 0. */
export function hpackInteger(value: number, mask: number): Buffer {
  if (value < mask) return Buffer.from([value]);
  const bytes = [mask];
  let rest = value - mask;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}
