/**
 * Keys and ranges as etcd means them: an empty end is the single key, the end `\0` is the end of the key space, anything
 * else bounds the half-open interval [key, end). Pure arithmetic on bytes, no I/O, nothing is written in place.
 */
import type { KeySpace } from './key-space.ts';

export interface KeyRange {
  readonly key: Uint8Array;
  /** `range_end` of the API. */
  readonly end: Uint8Array;
}

/** Whether `end` means "to the end of the key space": exactly one byte, `\0`. */
export function isOpenEnd(end: Uint8Array): boolean {
  return end.length === 1 && end[0] === 0;
}

/** Visible → stored. The result lies within [prefix, prefixEnd), and its end is never open unless the space is the cluster. */
export function toStored(space: KeySpace, range: KeyRange): KeyRange {
  if (space.prefix.length === 0) return range;
  const key = Buffer.concat([space.prefix, range.key]);
  if (range.end.length === 0) return { key, end: range.end };
  const end = isOpenEnd(range.end) ? space.prefixEnd : Buffer.concat([space.prefix, range.end]);
  return { key, end };
}

/** Stored → visible, or null when the key does not carry the prefix. A view, not a copy. */
export function visibleKey(space: KeySpace, stored: Uint8Array): Uint8Array | null {
  return startsWith(stored, space.prefix) ? stored.subarray(space.prefix.length) : null;
}

export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return (
    key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0
  );
}

/** Whether no key can lie in the range: its end is a bound that is not after its key. */
export function isEmptyRange(range: KeyRange): boolean {
  return range.end.length > 0 && !isOpenEnd(range.end) && Buffer.compare(range.end, range.key) <= 0;
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

/** [k, k\0) holds exactly k. */
function isSingle(range: KeyRange): boolean {
  const { key, end } = range;
  return end.length === key.length + 1 && end[key.length] === 0 && startsWith(end, key);
}

/** Two namespaces of which one is a prefix of the other or both are equal, by index; or null. Sorts, then compares neighbours. */
export function findOverlap(namespaces: readonly Uint8Array[]): readonly [number, number] | null {
  const order = namespaces
    .map((namespace, index) => ({ namespace, index }))
    .sort((a, b) => Buffer.compare(a.namespace, b.namespace));
  for (let i = 1; i < order.length; i++) {
    const [shorter, longer] = [order[i - 1], order[i]];
    if (shorter === undefined || longer === undefined) break;
    if (startsWith(longer.namespace, shorter.namespace)) return [shorter.index, longer.index];
  }
  return null;
}
