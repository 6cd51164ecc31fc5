/** The part of the cluster that belongs to a tenant: the prefix of its keys and the tag of its lease IDs. */
import { createHash } from 'node:crypto';
import type { Mapping } from '../rewrite/mapping.ts';

/**
 * Immutable. Built once per tenant when the configuration is loaded. If the prefix is empty, the tenant has the whole cluster
 * and nothing is rewritten.
 */
export type KeySpace = Mapping;

/**
 * Two tags are never used: 0 would collide with small IDs of clients that bypass the proxy, and above 2^32−1 there is no ID
 * that a comparison could saturate to.
 */
export const leaseTagMin = 1;
export const leaseTagMax = 0xffff_fffe;

/** The namespace or the lease tag cannot be used. config/ reports it with the name of the tenant. */
export class KeySpaceError extends Error {
  override readonly name = 'KeySpaceError';
}

/**
 * The key space of `namespace`. An empty namespace is the whole cluster; `leaseTag` must then be absent. Throws KeySpaceError
 * for a namespace of 0xff bytes only, which has no end, and for a tag out of range.
 */
export function keySpace(namespace: Uint8Array, leaseTag?: number): KeySpace {
  const prefix = Uint8Array.from(namespace);
  if (prefix.length === 0) {
    if (leaseTag !== undefined) throw new KeySpaceError('an empty namespace has no lease tag');
    return { prefix, prefixEnd: Uint8Array.of(0), leaseTag: 0 };
  }
  const end = prefixEnd(prefix);
  if (end === null) {
    throw new KeySpaceError('a namespace must contain a byte other than 0xff');
  }
  const tag = leaseTag ?? derivedLeaseTag(prefix);
  if (!Number.isInteger(tag) || tag < leaseTagMin || tag > leaseTagMax) {
    throw new KeySpaceError(`a lease tag must be between ${leaseTagMin} and ${leaseTagMax}`);
  }
  return { prefix, prefixEnd: end, leaseTag: tag };
}

/**
 * The first key after all keys with `prefix`: removes trailing 0xff bytes and increments the last remaining byte. The form
 * that carries and keeps the length (`a\xff` → `b\0`) would include the foreign key `b`. Returns null if no byte remains. As
 * getPrefix in etcd's client/v3/op.go.
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  let length = prefix.length;
  while (length > 0 && prefix[length - 1] === 0xff) length -= 1;
  if (length === 0) return null;
  // Not `slice`, which returns a view if the prefix is a Buffer.
  const end = Uint8Array.from(prefix.subarray(0, length));
  end[length - 1] = (end[length - 1] ?? 0) + 1;
  return end;
}

/**
 * The tag of a namespace: the first four bytes, big-endian, of SHA-256 of its bytes. If these are a tag that is never used,
 * of SHA-256 of that digest, and so on. This is an on-disk format: stored lease IDs contain the tag, so it must not change.
 */
export function derivedLeaseTag(namespace: Uint8Array): number {
  let digest = createHash('sha256').update(namespace).digest();
  while (!isLeaseTag(digest.readUInt32BE(0))) digest = createHash('sha256').update(digest).digest();
  return digest.readUInt32BE(0);
}

function isLeaseTag(tag: number): boolean {
  return tag >= leaseTagMin && tag <= leaseTagMax;
}
