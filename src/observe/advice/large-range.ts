/** What a large RangeResponse contains: how many keys, and their common prefix. */
import { Reader } from '../../protobuf/reader.ts';
import { textOf } from './request-keys.ts';

/** RangeResponse.kvs is field 2, and KeyValue.key is field 1. */
export function largeRange(response: Uint8Array): {
  readonly subject: string;
  readonly keys: number;
} {
  const reader = new Reader(response);
  let first: string | null = null;
  let last: Reader | null = null;
  let keys = 0;
  while (reader.next()) {
    if (reader.field !== 2) continue;
    keys += 1;
    first ??= keyOf(reader.message());
    last = new Reader(response, reader.valueStart, reader.fieldEnd);
  }
  return { subject: last === null ? '' : commonPrefix(first ?? '', keyOf(last)), keys };
}

function keyOf(keyValue: Reader): string {
  while (keyValue.next()) if (keyValue.field === 1) return textOf(keyValue.bytes());
  return '';
}

function commonPrefix(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return one.slice(0, length);
}
