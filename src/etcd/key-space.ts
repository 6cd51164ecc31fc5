/**
 * A tenant's share of the cluster: the prefix of its keys and the tag of its lease IDs.
 * Worked examples of the mapping: etcd's own meaning of ranges is in api/etcdserverpb/rpc.proto, RangeRequest.
 */
export interface KeySpace {
  /** What every stored key of the tenant begins with. Empty: the whole cluster, nothing is rewritten. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix; what a range end of `\0` becomes. */
  readonly prefixEnd: Uint8Array;
  /** The upper 32 bits of stored lease IDs: stored = tag × 2^31 + visible. 0 with an empty prefix. */
  readonly leaseTag: number;
}
