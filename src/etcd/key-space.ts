/**
 * A tenant's share of the cluster: the prefix of its keys and the tag of its lease IDs. Built once per tenant when the
 * configuration is loaded, never changed, read by every call.
 */
import { createHash } from 'node:crypto';

export interface KeySpace {
  /** What every stored key of the tenant begins with. Empty: the whole cluster, nothing is rewritten. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix; what a range end of `\0` becomes. */
  readonly prefixEnd: Uint8Array;
  /** The upper 32 bits of stored lease IDs: stored = tag × 2^31 + visible. 0 with an empty prefix. */
  readonly leaseTag: number;
}

/** Tags 0 (would alias small IDs of clients that bypass the proxy) and 2^32−1 (no room above it to saturate to) are never used. */
export const leaseTagMin = 1;
export const leaseTagMax = 0xffff_fffe;

/** A namespace or tag that cannot be used. For the configuration to report, with the name of the tenant. */
export class KeySpaceError extends Error {
  override readonly name = 'KeySpaceError';
}

/**
 * The key space of `namespace`. An empty one is the whole cluster; `leaseTag` then has no meaning and must be absent.
 * Throws KeySpaceError for a namespace of nothing but 0xff, whose end would be the cluster's, and for a tag out of range.
 */
export function keySpace(namespace: Uint8Array, leaseTag?: number): KeySpace {
  const prefix = Uint8Array.from(namespace);
  if (prefix.length === 0) {
    if (leaseTag !== undefined) throw new KeySpaceError('an empty namespace has no lease tag');
    return { prefix, prefixEnd: Uint8Array.of(0), leaseTag: 0 };
  }
  const end = prefixEnd(prefix);
  if (end === null) {
    throw new KeySpaceError(
      'a namespace of nothing but 0xff bytes reaches to the end of the cluster',
    );
  }
  const tag = leaseTag ?? derivedLeaseTag(prefix);
  if (!Number.isInteger(tag) || tag < leaseTagMin || tag > leaseTagMax) {
    throw new KeySpaceError(`a lease tag must lie between ${leaseTagMin} and ${leaseTagMax}`);
  }
  return { prefix, prefixEnd: end, leaseTag: tag };
}

/**
 * The first key after all that begin with `prefix`: trailing 0xff bytes are dropped, the last remaining byte is
 * incremented. The form that carries and keeps the length (`a\xff` → `b\0`) would let in the foreign key `b`.
 * Null when nothing remains. As getPrefix in etcd's client/v3/op.go.
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return null;
  // Not `slice`, which is a view when the prefix is a Buffer.
  const end = Uint8Array.from(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/**
 * The tag of a namespace: the first four bytes, big-endian, of SHA-256 of its bytes; where these are a tag that is never
 * used, of SHA-256 of that digest, and so on. This is an on-disk format: stored lease IDs carry it, so it never changes.
 */
export function derivedLeaseTag(namespace: Uint8Array): number {
  let digest = createHash('sha256').update(namespace).digest();
  while (!isLeaseTag(digest.readUInt32BE(0))) digest = createHash('sha256').update(digest).digest();
  return digest.readUInt32BE(0);
}

function isLeaseTag(tag: number): boolean {
  return tag >= leaseTagMin && tag <= leaseTagMax;
}
