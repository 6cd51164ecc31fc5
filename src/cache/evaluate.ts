/**
 * Evaluates a request on the keys of a cached range, as etcd's applier does (server/etcdserver/txn/range.go): filters, then the
 * order, then the limit. A request with a sort target and without an order is limited first. `count` is the number of keys in the
 * range, without filters and limit.
 */
import { isOpenEnd } from '../etcd/key-range.ts';
import { Reader } from '../protobuf/reader.ts';
import { varintBytes, writeVarint } from '../protobuf/varint.ts';
import type { Entries } from './entries.ts';
import { type Entry, keyText } from './entry.ts';
import { type RangeQuery, SortOrder, SortTarget } from './range-query.ts';

/** Tags of a RangeResponse: field number and wire type. */
const kvsTag = 0x12;
const moreTag = 0x18;
const countTag = 0x20;

/** Of a KeyValue. The lease has the next one, and the index of etcd has the fields before. */
const valueNumber = 5;

/** Sorting more keys would delay other calls. */
const sortedKeysMax = 4_096;

/**
 * The RangeResponse without its header. Null if many keys have to be sorted, and if keys with an equal sort value are in the
 * response: etcd does not sort stably, so their order is not determined.
 */
export function evaluate(entries: Entries, query: RangeQuery): Uint8Array | null {
  const key = keyText(query.key);
  const from = entries.indexFrom(key);
  const to = endIndex(entries, query, key, from);
  const count = Math.max(0, to - from);
  if (query.countOnly) return encode([], false, count, false);
  const { limit } = query;
  if (query.isPlain) {
    const hasMore = limit > 0 && count > limit;
    return encode(
      shown(entries.slice(from, hasMore ? from + limit : to), query),
      hasMore,
      count,
      query.keysOnly,
    );
  }
  // Without an order etcd reads as many keys as the limit permits and one more, and sorts these.
  const isCut = limit > 0 && query.sortOrder === SortOrder.NONE && !query.hasBound;
  const read = entries.slice(from, isCut ? Math.min(to, from + limit + 1) : to);
  const selected = read.filter((entry) => isSelected(entry, query));
  if (!sort(selected, query)) return null;
  const hasMore = limit > 0 && selected.length > limit;
  return encode(
    shown(hasMore ? selected.slice(0, limit) : selected, query),
    hasMore,
    count,
    query.keysOnly,
  );
}

/** The entries with the fields that the response has. */
function shown(entries: readonly Entry[], query: RangeQuery): readonly Entry[] {
  return query.omitsLeases ? entries.map(indexed) : entries;
}

function endIndex(entries: Entries, { end }: RangeQuery, key: string, from: number): number {
  if (isOpenEnd(end)) return entries.length;
  if (end.length > 0) return entries.indexFrom(keyText(end));
  return from < entries.length && entries.at(from).key === key ? from + 1 : from;
}

function isSelected({ modRevision, createRevision }: Entry, query: RangeQuery): boolean {
  return (
    modRevision >= query.minModRevision &&
    (query.maxModRevision === 0 || modRevision <= query.maxModRevision) &&
    createRevision >= query.minCreateRevision &&
    (query.maxCreateRevision === 0 || createRevision <= query.maxCreateRevision)
  );
}

/** Sorts in place. Returns false for many keys, and if keys in the response or the first one after it have an equal sort value. */
function sort(selected: Entry[], { sortOrder, sortTarget, limit }: RangeQuery): boolean {
  const isDescending = sortOrder === SortOrder.DESCEND;
  if (sortTarget === SortTarget.KEY) {
    if (isDescending) selected.reverse();
    return true;
  }
  if (selected.length > sortedKeysMax) return false;
  const compare = comparison(sortTarget);
  selected.sort(isDescending ? (a, b) => compare(b, a) : compare);
  const end = Math.min(selected.length, limit > 0 ? limit + 1 : selected.length);
  for (let i = 1; i < end; i++) {
    if (compare(selected[i - 1] as Entry, selected[i] as Entry) === 0) return false;
  }
  return true;
}

function comparison(target: number): (a: Entry, b: Entry) => number {
  if (target === SortTarget.VERSION) return (a, b) => a.version - b.version;
  if (target === SortTarget.CREATE) return (a, b) => a.createRevision - b.createRevision;
  if (target === SortTarget.MOD) return (a, b) => a.modRevision - b.modRevision;
  return (a, b) => Buffer.compare(contentOfValue(a), contentOfValue(b));
}

/** The content of the `value` field: its tag has one byte, and its length has one to five. */
function contentOfValue({ field, valueStart, valueEnd }: Entry): Uint8Array {
  let at = valueStart + 1;
  while (at < valueEnd && (field[at] as number) > 0x7f) at += 1;
  return field.subarray(Math.min(at + 1, valueEnd), valueEnd);
}

function encode(
  selected: readonly Entry[],
  hasMore: boolean,
  count: number,
  keysOnly: boolean,
): Uint8Array {
  let size = (hasMore ? 2 : 0) + (count > 0 ? 1 + varintBytes(count) : 0);
  for (const entry of selected) size += keysOnly ? keyFieldBytes(entry) : entry.field.length;
  const target = new Uint8Array(size);
  let at = 0;
  for (const entry of selected) {
    if (keysOnly) at = writeKeyField(target, at, entry);
    else {
      target.set(entry.field, at);
      at += entry.field.length;
    }
  }
  if (hasMore) {
    target[at++] = moreTag;
    target[at++] = 1;
  }
  if (count > 0) {
    target[at++] = countTag;
    writeVarint(target, at, count);
  }
  return target;
}

/** What the index of etcd has of a key: the fields before `value` and `lease`. */
function indexed(entry: Entry): Entry {
  const keyValue = new Reader(entry.field, entry.start);
  let end = entry.field.length;
  while (keyValue.next()) {
    if (keyValue.field < valueNumber) continue;
    end = keyValue.fieldStart;
    break;
  }
  return { ...entry, field: entry.field.subarray(0, end), valueStart: end, valueEnd: end };
}

function bytesWithoutValue({ field, start, valueStart, valueEnd }: Entry): number {
  return field.length - start - (valueEnd - valueStart);
}

function keyFieldBytes(entry: Entry): number {
  const bytes = bytesWithoutValue(entry);
  return 1 + varintBytes(bytes) + bytes;
}

/** Writes the `kvs` field without the value. Returns the offset after it. */
function writeKeyField(target: Uint8Array, offset: number, entry: Entry): number {
  const { field, start, valueStart, valueEnd } = entry;
  target[offset] = kvsTag;
  let at = writeVarint(target, offset + 1, bytesWithoutValue(entry));
  target.set(field.subarray(start, valueStart), at);
  at += valueStart - start;
  target.set(field.subarray(valueEnd), at);
  return at + field.length - valueEnd;
}
