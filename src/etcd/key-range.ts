/** Key ranges as etcd defines them. */

/** With an empty `end` the single key; with the end `\0` all keys from `key` on; otherwise the interval [key, end). */
export interface KeyRange {
  readonly key: Uint8Array;
  /** `range_end` in the API. */
  readonly end: Uint8Array;
}

/** Whether `end` means the end of all keys: exactly one byte, `\0`. */
export function isOpenEnd(end: Uint8Array): boolean {
  return end.length === 1 && end[0] === 0;
}

/** Whether the range cannot contain a key, because its end is not after its key. */
export function isEmptyRange({ key, end }: KeyRange): boolean {
  return end.length > 0 && !isOpenEnd(end) && Buffer.compare(end, key) <= 0;
}

/** Whether every key that `inner` can contain is in `outer`. False for an empty `inner`. */
export function containsRange(outer: KeyRange, inner: KeyRange): boolean {
  if (Buffer.compare(inner.key, outer.key) < 0 || isEmptyRange(inner)) return false;
  if (isOpenEnd(outer.end)) return true;
  if (outer.end.length === 0)
    return inner.end.length === 0 && Buffer.compare(inner.key, outer.key) === 0;
  if (isOpenEnd(inner.end)) return false;
  if (inner.end.length === 0) return Buffer.compare(inner.key, outer.end) < 0;
  return Buffer.compare(inner.end, outer.end) <= 0;
}

export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return (
    key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0
  );
}
