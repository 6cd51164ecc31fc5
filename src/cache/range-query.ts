/**
 * A RangeRequest as the cache evaluates it. Field numbers and values: etcd api/etcdserverpb/rpc.proto. Keys are strings with a
 * character per byte, whose order is that of the bytes.
 */
import type { KeyRange } from '../etcd/key-range.ts';
import { Reader, WireType } from '../protobuf/reader.ts';

export const SortOrder = { NONE: 0, ASCEND: 1, DESCEND: 2 } as const;
export const SortTarget = { KEY: 0, VERSION: 1, CREATE: 2, MOD: 3, VALUE: 4 } as const;

export class RangeQuery implements KeyRange {
  key: Uint8Array = noBytes;
  end: Uint8Array = noBytes;
  /** 0: without a limit. */
  limit = 0;
  /** 0: the current one. */
  revision = 0;
  sortOrder: number = SortOrder.NONE;
  sortTarget: number = SortTarget.KEY;
  isSerializable = false;
  keysOnly = false;
  countOnly = false;
  /** With `keysOnly`: whether the keys of the response have no leases. Not a part of the request. */
  omitsLeases = false;
  /** Bounds of revisions; 0 without a bound. */
  minModRevision = 0;
  maxModRevision = 0;
  minCreateRevision = 0;
  maxCreateRevision = 0;

  get hasBound(): boolean {
    const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = this;
    return (
      minModRevision > 0 || maxModRevision > 0 || minCreateRevision > 0 || maxCreateRevision > 0
    );
  }

  /** Whether the response has the keys of the range in their order, up to the limit. */
  get isPlain(): boolean {
    const isSorted = this.sortTarget !== SortTarget.KEY || this.sortOrder === SortOrder.DESCEND;
    return !(this.hasBound || isSorted);
  }
}

/** Key and range end have the first numbers. */
const lastRangeField = 2;
const noBytes = new Uint8Array(0);

/** Null if the request is malformed, or has a value that etcd rejects or that has no defined meaning. */
export function readQuery(request: Uint8Array): RangeQuery | null {
  const query = new RangeQuery();
  const reader = new Reader(request);
  let seen = 0;
  while (reader.next()) {
    const bit = reader.field <= lastRangeField ? 1 << reader.field : 0;
    // The namespace layer rejects a second one.
    if ((seen & bit) !== 0 || !readField(query, reader)) return null;
    seen |= bit;
  }
  const isValid =
    !reader.malformed &&
    query.key.length > 0 &&
    query.sortOrder <= SortOrder.DESCEND &&
    query.sortTarget <= SortTarget.VALUE;
  return isValid ? query : null;
}

/** Returns false for an unknown field, a negative number, and one that is not exact. */
function readField(query: RangeQuery, reader: Reader): boolean {
  const { field } = reader;
  if (field <= lastRangeField) {
    if (reader.wireType !== WireType.LEN) return false;
    if (field === 1) query.key = reader.bytes();
    else query.end = reader.bytes();
    return true;
  }
  const value = reader.wireType === WireType.VARINT ? reader.safeNumber() : -1;
  if (value < 0) return false;
  switch (field) {
    case 3:
      query.limit = value;
      return true;
    case 4:
      query.revision = value;
      return true;
    case 5:
      query.sortOrder = value;
      return true;
    case 6:
      query.sortTarget = value;
      return true;
    case 7:
      query.isSerializable = value !== 0;
      return true;
    case 8:
      query.keysOnly = value !== 0;
      return true;
    case 9:
      query.countOnly = value !== 0;
      return true;
    case 10:
      query.minModRevision = value;
      return true;
    case 11:
      query.maxModRevision = value;
      return true;
    case 12:
      query.minCreateRevision = value;
      return true;
    case 13:
      query.maxCreateRevision = value;
      return true;
    default:
      return false;
  }
}
