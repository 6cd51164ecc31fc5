/** The key of a request in printable form, for logs. Used only with `--log-keys`. */
import { Reader, WireType } from '../protobuf/reader.ts';
import type { Method } from './methods.ts';

const keyed: ReadonlySet<string> = new Set(['RangeRequest', 'PutRequest', 'DeleteRangeRequest']);

/** Longer keys are truncated. */
const shownBytesMax = 256;

/** Empty for methods without a single key or range, and for bytes that are not protobuf. */
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

/** Escapes all but printable ASCII as `\xNN`, and doubles backslashes, so that the text is unambiguous. */
export function printable(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes.subarray(0, shownBytesMax)) {
    if (byte === 0x5c) text += '\\\\';
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return bytes.length > shownBytesMax ? `${text}…` : text;
}
