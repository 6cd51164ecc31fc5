/** Key ranges between the visible and the stored key space, in readable form. The oracle of the rewriters' tests. */
import { isEmptyRange, isOpenEnd, type KeyRange, startsWith } from '../../src/etcd/key-range.ts';
import type { KeySpace } from '../../src/etcd/key-space.ts';

/** Visible → stored. The result lies within [prefix, prefixEnd), and its end is open only in the whole cluster. */
export function toStored(space: KeySpace, range: KeyRange): KeyRange {
  if (space.prefix.length === 0) return range;
  const key = Buffer.concat([space.prefix, range.key]);
  if (range.end.length === 0) return { key, end: range.end };
  const end = isOpenEnd(range.end) ? space.prefixEnd : Buffer.concat([space.prefix, range.end]);
  return { key, end };
}

/** Stored → visible; null if the key does not carry the prefix. */
export function visibleKey(space: KeySpace, stored: Uint8Array): Uint8Array | null {
  return startsWith(stored, space.prefix) ? stored.subarray(space.prefix.length) : null;
}

/** Whether `key` lies in the range. */
export function contains(range: KeyRange, key: Uint8Array): boolean {
  if (range.end.length === 0) return Buffer.compare(key, range.key) === 0;
  if (Buffer.compare(key, range.key) < 0) return false;
  return isOpenEnd(range.end) || Buffer.compare(key, range.end) < 0;
}

/** Whether every key of `inner` lies in `outer`. */
export function covers(outer: KeyRange, inner: KeyRange): boolean {
  if (isEmptyRange(inner)) return true;
  if (inner.end.length === 0) return contains(outer, inner.key);
  if (outer.end.length === 0) return isSingle(inner) && Buffer.compare(outer.key, inner.key) === 0;
  if (Buffer.compare(inner.key, outer.key) < 0) return false;
  if (isOpenEnd(outer.end)) return true;
  return !isOpenEnd(inner.end) && Buffer.compare(inner.end, outer.end) <= 0;
}

/** [k, k\0) contains exactly k. */
function isSingle({ key, end }: KeyRange): boolean {
  return end.length === key.length + 1 && end[key.length] === 0 && startsWith(end, key);
}
