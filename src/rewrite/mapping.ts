/** The key space that a rewriter maps to and from. etcd/key-space.ts has the same shape. */
export interface Mapping {
  /** Prefix of every stored key. If empty, messages are checked and not changed. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix. */
  readonly prefixEnd: Uint8Array;
  /** stored lease ID = tag × 2^31 + visible lease ID. From 1 to 2^32−2, unless the prefix is empty. */
  readonly leaseTag: number;
}
