/**
 * Key ranges as etcd reads them: an empty end is the single key, the end `\0` is the end of the key space, any other end
 * bounds the half-open interval [key, end). Nothing is written in place.
 */
export interface KeyRange {
  readonly key: Uint8Array;
  /** `range_end` of the API. */
  readonly end: Uint8Array;
}

/** Whether `end` means the end of the key space: exactly one byte, `\0`. */
export function isOpenEnd(end: Uint8Array): boolean {
  return end.length === 1 && end[0] === 0;
}

/** Whether the range cannot contain a key: its end is a bound that is not after its key. */
export function isEmptyRange({ key, end }: KeyRange): boolean {
  return end.length > 0 && !isOpenEnd(end) && Buffer.compare(end, key) <= 0;
}

export function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return (
    key.length >= prefix.length && Buffer.compare(key.subarray(0, prefix.length), prefix) === 0
  );
}
