/** Keys as text for messages: printable ASCII as it is, other bytes escaped, and long keys shortened. */

const bytesMax = 200;

export function printable(key: Uint8Array): string {
  let text = '';
  for (const byte of key.subarray(0, bytesMax)) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
    text += isPlain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `"${text}${key.length > bytesMax ? '…' : ''}"`;
}
