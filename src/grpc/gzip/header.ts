/**
 * The header of a gzip member, checked as Go's package checks it: Go's texts tell a header that is cut off from one that is not
 * valid, and zlib's do not. zlib then reads the header once more, with the checksum that may be in it.
 * https://github.com/golang/go/blob/master/src/compress/gzip/gunzip.go (readHeader)
 */

const fixedBytes = 10;
const magic = [0x1f, 0x8b, 8] as const;
const flag = { checksum: 2, extra: 4, name: 8, comment: 16 } as const;
/** Go reads names and comments into a buffer of this size. */
const textBytesMax = 512;

const cutOff = 'unexpected EOF';
const invalid = 'gzip: invalid header';

/** What is wrong with the header that `bytes` begin with, in Go's words; null if nothing is. */
export function gzipHeaderFault(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return 'EOF';
  if (bytes.length < fixedBytes) return cutOff;
  if (magic.some((byte, i) => bytes[i] !== byte)) return invalid;
  const flags = bytes[3] ?? 0;
  let at = fixedBytes;
  if ((flags & flag.extra) !== 0) {
    if (at + 2 > bytes.length) return cutOff;
    at += 2 + (bytes[at] ?? 0) + ((bytes[at + 1] ?? 0) << 8);
    if (at > bytes.length) return cutOff;
  }
  for (const text of [flag.name, flag.comment]) {
    if ((flags & text) === 0) continue;
    const end = bytes.indexOf(0, at);
    if (end >= at + textBytesMax || (end < 0 && bytes.length >= at + textBytesMax)) return invalid;
    if (end < 0) return cutOff;
    at = end + 1;
  }
  return (flags & flag.checksum) !== 0 && at + 2 > bytes.length ? cutOff : null;
}
