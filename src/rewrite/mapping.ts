/** What a rewriter maps to and from. wire/ declares the shape it needs; etcd's KeySpace has it. */
export interface Mapping {
  /** What every stored key begins with. Empty: the identity, messages are checked but not changed. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix. */
  readonly prefixEnd: Uint8Array;
  /** stored lease ID = tag × 2^31 + visible lease ID. 1 to 2^32−2, unless the prefix is empty. */
  readonly leaseTag: number;
}
