/** The requests and the arithmetic of key ranges: a namespace, and the rest of it after a key. */
import type { KeyRange } from '../../etcd/key-range.ts';
import { prefixEnd } from '../../etcd/key-space.ts';
import { Writer } from '../../protobuf/writer.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';

const zero = Uint8Array.of(0);

/** All keys of a namespace, those of the whole cluster if it is empty. Throws for a namespace of 0xff bytes, which has no end. */
export function namespaceRange(namespace: Uint8Array): KeyRange {
  if (namespace.length === 0) return { key: zero, end: zero };
  const end = prefixEnd(namespace);
  if (end === null) throw new Error('a namespace must contain a byte other than 0xff');
  return { key: namespace, end };
}

/** The first key after `key`. */
export function after(key: Uint8Array): Uint8Array {
  return Buffer.concat([key, zero]);
}

export interface RangeOptions {
  /** 0: no limit. */
  readonly limit?: number;
  /** 0: the current one. */
  readonly revision?: number;
  readonly countOnly?: boolean;
}

/** A RangeRequest. The order of keys is etcd's own, ascending. */
export function rangeRequest(
  { key, end }: KeyRange,
  { limit = 0, revision = 0, countOnly = false }: RangeOptions = {},
): OwnedBytes {
  return new Writer()
    .bytes(1, key)
    .bytes(2, end)
    .varint(3, limit)
    .varint(4, revision)
    .bool(9, countOnly)
    .finish();
}
