/**
 * One key of a cached range: its KeyValue as etcd encodes it, and the values that requests sort and filter by. Field numbers:
 * etcd api/mvccpb/kv.proto.
 */
import { Reader } from '../protobuf/reader.ts';

/**
 * Memory of an entry beyond its KeyValue and its key, as counted against the bounds: its objects on the heap, and those of its
 * buffer outside. Measured with 100,000 further entries of 256 B values in one range: 800 bytes of resident memory each, of which
 * 304 are KeyValue and key (bench/micro/cache.bench.ts).
 */
export const entryOverheadBytes = 500;

export interface Entry {
  /** A character per byte. */
  readonly key: string;
  /** The `kvs` field of a RangeResponse, with its tag: the same bytes as the `kv` field of an Event. */
  readonly field: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** Where the KeyValue begins in `field`. */
  readonly start: number;
  /** Where the `value` field is in `field`, with its tag. Both are the end of `field` if the value is empty. */
  readonly valueStart: number;
  readonly valueEnd: number;
}

/** Reads the field of a KeyValue at which `reader` is. Copies it, so that the source may be released. Null if it is malformed. */
export function readEntry(reader: Reader): Entry | null {
  const field = Uint8Array.from(reader.raw());
  const start = reader.valueStart - reader.fieldStart;
  const keyValue = new Reader(field, start);
  let key = '';
  let createRevision = 0;
  let modRevision = 0;
  let version = 0;
  let valueStart = field.length;
  let valueEnd = field.length;
  while (keyValue.next()) {
    switch (keyValue.field) {
      case 1:
        key = keyText(keyValue.bytes());
        break;
      case 2:
        createRevision = keyValue.safeNumber();
        break;
      case 3:
        modRevision = keyValue.safeNumber();
        break;
      case 4:
        version = keyValue.safeNumber();
        break;
      case 5:
        valueStart = keyValue.fieldStart;
        valueEnd = keyValue.fieldEnd;
        break;
      default:
        break;
    }
  }
  if (keyValue.malformed || createRevision < 0 || modRevision < 0 || version < 0) return null;
  return { key, field, createRevision, modRevision, version, start, valueStart, valueEnd };
}

/** A character per byte, so that the order of strings is the order of keys. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
}

/** As counted against the bounds. */
export function entryBytes({ key, field }: Entry): number {
  return key.length + field.length + entryOverheadBytes;
}
