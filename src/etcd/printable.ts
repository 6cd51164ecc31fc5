/** The printable form of keys, for logs and the admin address. No byte of a key can control a terminal or break a line. */

/** Longer keys are truncated. */
const shownBytesMax = 256;

/** Escapes all but printable ASCII as `\xNN`, and doubles backslashes, so that the text is unambiguous. */
export function printable(bytes: Uint8Array, bytesMax = shownBytesMax): string {
  let text = '';
  for (const byte of bytes.subarray(0, bytesMax)) {
    if (byte === 0x5c) text += '\\\\';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return bytes.length > bytesMax ? `${text}…` : text;
}
