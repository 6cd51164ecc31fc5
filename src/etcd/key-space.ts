/** The part of the cluster that belongs to a tenant: the prefix of its keys, and the check values of its lease IDs. */
import { LeaseSeal } from '../rewrite/lease-seal.ts';
import type { Mapping } from '../rewrite/mapping.ts';
import { LeaseKeys } from './lease-keys.ts';

/**
 * Immutable. Built once per tenant when the configuration is loaded. If the prefix is empty, the tenant has the whole cluster
 * and nothing is rewritten.
 */
export type KeySpace = Mapping;

/** The namespace cannot be used. config/ reports it with the name of the tenant. */
export class KeySpaceError extends Error {
  override readonly name = 'KeySpaceError';
}

const publicLeaseKeys = new LeaseKeys(new Uint8Array(0));

export interface KeySpaceOptions {
  /** Where the keys of lease IDs come from. By default the namespace alone determines them. */
  readonly leaseKeys?: LeaseKeys;
  /** False: lease IDs are those of the cluster. Default: true, unless the namespace is empty. */
  readonly mapsLeases?: boolean;
  readonly passesUnknownFields?: boolean;
}

/**
 * The key space of `namespace`. An empty namespace is the whole cluster. Throws KeySpaceError for a namespace of 0xff bytes only,
 * which has no end.
 */
export function keySpace(namespace: Uint8Array, options: KeySpaceOptions = {}): KeySpace {
  const { leaseKeys = publicLeaseKeys, passesUnknownFields = false } = options;
  const mapsLeases = namespace.length > 0 && options.mapsLeases !== false;
  const prefix = Uint8Array.from(namespace);
  const end = prefix.length === 0 ? Uint8Array.of(0) : prefixEnd(prefix);
  if (end === null) {
    throw new KeySpaceError('a namespace must contain a byte other than 0xff');
  }
  const leases = new LeaseSeal(prefix, leaseKeys);
  return { prefix, prefixEnd: end, leases, mapsLeases, passesUnknownFields };
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
