/** Texts of clients in grpc-go's messages: quoted as by Go's `%q`, or read as UTF-8. Each character of the input is one byte. */

const plain = /^[ !#-[\]-~]*$/;
const notAscii = /[\x80-\xff]/;
/** https://pkg.go.dev/strconv#IsPrint */
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const shortEscapes: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};
/** The well-formed sequences of more than one byte. */
const sequences =
  /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\s\S]/g;

/** The text of the bytes; invalid UTF-8 becomes U+FFFD. */
export function fromUtf8(bytes: string): string {
  return notAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** The bytes in double quotes. */
export function quoted(bytes: string): string {
  if (plain.test(bytes)) return `"${bytes}"`;
  return `"${bytes.replace(sequences, escaped)}"`;
}

function escaped(sequence: string): string {
  const short = shortEscapes[sequence];
  if (short !== undefined) return short;
  const rune = fromUtf8(sequence);
  if (rune.includes('\ufffd') && sequence !== '\xef\xbf\xbd') {
    return sequence.replace(/[\s\S]/g, (byte) => `\\x${hex(byte.charCodeAt(0), 2)}`);
  }
  if (printable.test(rune)) return rune;
  const point = rune.codePointAt(0) ?? 0;
  if (point < 0x80) return `\\x${hex(point, 2)}`;
  return point > 0xffff ? `\\U${hex(point, 8)}` : `\\u${hex(point, 4)}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
