/**
 * Reading and replacing one varint field of a message, for the few values that no table can map because they depend on
 * more than the message: the ID of a grant that the proxy draws, the ID that an answer has to echo.
 */
import type { WireFault } from '../rewrite/fault.ts';
import { Reader, WireType } from './reader.ts';
import { int64Varint } from './varint.ts';
import { Writer } from './writer.ts';

/** The int64 at `field`, 0n when absent. A second occurrence is a fault, as everywhere that IDs stand. */
export function varintField(source: Uint8Array, field: number): bigint | WireFault {
  const reader = find(source, field);
  if (typeof reader === 'string') return reader;
  return reader === null ? 0n : reader.int64();
}

/** A copy of the message with the int64 at `field` set to `value`: in place where it stands, else appended. */
export function replaceVarintField(
  source: Uint8Array,
  field: number,
  value: bigint,
): Uint8Array | WireFault {
  const reader = find(source, field);
  if (typeof reader === 'string') return reader;
  if (reader === null) return Buffer.concat([source, new Writer().varint(field, value).finish()]);
  const before = source.subarray(0, reader.valueStart);
  return Buffer.concat([before, int64Varint(value), source.subarray(reader.fieldEnd)]);
}

/** A reader that stands on the only occurrence of `field`, or null where there is none. Walks the whole message first. */
function find(source: Uint8Array, field: number): Reader | null | WireFault {
  const reader = new Reader(source);
  let start = -1;
  let isDuplicate = false;
  while (reader.next()) {
    if (reader.field !== field) continue;
    if (reader.wireType !== WireType.VARINT) return 'malformed';
    isDuplicate ||= start >= 0;
    start = reader.fieldStart;
  }
  if (reader.malformed) return 'malformed';
  if (isDuplicate) return 'field-duplicate';
  if (start < 0) return null;
  const found = new Reader(source, start);
  found.next();
  return found;
}
