/** The key space that a rewriter maps to and from. */
export interface Mapping {
  /** Prefix of every stored key. If empty, messages are checked and not changed. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix. Replaces the range end `\0`. */
  readonly prefixEnd: Uint8Array;
  /** The upper 32 bits of stored lease IDs: stored = tag × 2^31 + visible. From 1 to 2^32−2, or 0 if the prefix is empty. */
  readonly leaseTag: number;
}
