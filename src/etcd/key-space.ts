/** The part of the cluster that belongs to a tenant: the prefix of its keys, and the check values of its lease IDs. */
import { createHmac } from 'node:crypto';
import { LeaseSeal } from '../rewrite/lease-seal.ts';
import type { Mapping } from '../rewrite/mapping.ts';

/**
 * Immutable. Built once per tenant when the configuration is loaded. If the prefix is empty, the tenant has the whole cluster
 * and nothing is rewritten.
 */
export type KeySpace = Mapping;

/** The namespace cannot be used. config/ reports it with the name of the tenant. */
export class KeySpaceError extends Error {
  override readonly name = 'KeySpaceError';
}

export interface KeySpaceOptions {
  /** Key of the lease IDs beside the namespace. Empty: the namespace alone determines them. */
  readonly leaseSecret?: Uint8Array;
  readonly passesUnknownFields?: boolean;
}

/**
 * The key space of `namespace`. An empty namespace is the whole cluster. Throws KeySpaceError for a namespace of 0xff bytes only,
 * which has no end.
 */
export function keySpace(namespace: Uint8Array, options: KeySpaceOptions = {}): KeySpace {
  const { leaseSecret = noSecret, passesUnknownFields = false } = options;
  const prefix = Uint8Array.from(namespace);
  const end = prefix.length === 0 ? Uint8Array.of(0) : prefixEnd(prefix);
  if (end === null) {
    throw new KeySpaceError('a namespace must contain a byte other than 0xff');
  }
  const leases = new LeaseSeal(leaseKey(prefix, leaseSecret));
  return { prefix, prefixEnd: end, leases, passesUnknownFields };
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

const noSecret = new Uint8Array(0);
const leaseKeyBytes = 16;

/**
 * The key of a namespace's lease IDs: the first 16 bytes of HMAC-SHA-256 of the namespace, keyed by the secret. This is an on-disk
 * format: etcd holds IDs that were made with it, so it must not change.
 */
function leaseKey(namespace: Uint8Array, secret: Uint8Array): Uint8Array {
  return createHmac('sha256', secret).update(namespace).digest().subarray(0, leaseKeyBytes);
}
