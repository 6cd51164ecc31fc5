/**
 * The encoding of `grpc-message`: UTF-8, in which the percent sign and all bytes but printable ASCII are written as `%XX`.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

const plain = /^[ -$&-~]*$/;
const escaped = /(?:%[0-9A-Fa-f]{2})+/g;

export function percentEncode(text: string): string {
  if (plain.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/**
 * Never fails: an invalid escape stays as it is, and invalid UTF-8 becomes U+FFFD. Each character of `text` is one byte.
 */
export function percentDecode(text: string): string {
  if (plain.test(text)) return text;
  const bytes = Buffer.from(
    text.replace(escaped, (run) => Buffer.from(run.replaceAll('%', ''), 'hex').toString('latin1')),
    'latin1',
  );
  return bytes.toString('utf8');
}
