/**
 * Reads or replaces one varint field of a message. For values that depend on more than the message, which a field table
 * cannot describe: the lease ID that the proxy draws for a grant, and the lease ID that a response echoes.
 */
import { asOwned, type OwnedBytes } from '../runtime/owned-bytes.ts';
import { Reader, WireType } from './reader.ts';
import { int64Varint } from './varint.ts';
import { Writer } from './writer.ts';

/** Why a field cannot be read or replaced. */
export type FieldFault = 'malformed' | 'field-duplicate';

/** The int64 at `field`, 0n if absent. A second occurrence of the field is a fault. */
export function varintField(source: Uint8Array, field: number): bigint | FieldFault {
  const reader = find(source, field);
  if (typeof reader === 'string') return reader;
  return reader === null ? 0n : reader.int64();
}

/** A copy of the message with the int64 at `field` set to `value`. The field is appended if it is absent. */
export function replaceVarintField(
  source: Uint8Array,
  field: number,
  value: bigint,
): OwnedBytes | FieldFault {
  const reader = find(source, field);
  if (typeof reader === 'string') return reader;
  const parts =
    reader === null
      ? [source, new Writer().varint(field, value).finish()]
      : [
          source.subarray(0, reader.valueStart),
          int64Varint(value),
          source.subarray(reader.fieldEnd),
        ];
  return asOwned(Buffer.concat(parts));
}

/** A reader positioned at the only occurrence of `field`, or null if it is absent. Checks the whole message first. */
function find(source: Uint8Array, field: number): Reader | null | FieldFault {
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
