/**
 * The key that a request is about, in printable form, for logs where an operator has asked for keys. Not on the data path
 * otherwise.
 */
import { Reader, WireType } from '../protobuf/reader.ts';
import type { Method } from './methods.ts';

const keyed: ReadonlySet<string> = new Set(['RangeRequest', 'PutRequest', 'DeleteRangeRequest']);

/** Longer keys are cut: a log line is no place for a megabyte. */
const shownBytesMax = 256;

/** Empty for methods that are not about one key or range, and for bytes that are no message. */
export function printableKey(method: Method, request: Uint8Array): string {
  if (!keyed.has(method.request)) return '';
  const reader = new Reader(request);
  let key = '';
  while (reader.next()) {
    if (reader.field !== 1 || reader.wireType !== WireType.LEN) continue;
    key = printable(reader.bytes());
  }
  return key;
}

/** Everything but printable ASCII as `\xNN`, and a backslash doubled, so that the text says exactly which bytes. */
function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, shownBytesMax)) {
    if (byte === 0x5c) text += '\\\\';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return bytes.length > shownBytesMax ? `${text}…` : text;
}
