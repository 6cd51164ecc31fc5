/**
 * Which leases of a request are checked before it is sent, and what their keys say about them. There are two kinds.
 *
 * - The ID of a sealed lease has a check value, so nearly all leases of other namespaces are recognized without a check. One
 *   that passes by chance is foreign if it has keys and all of them lie outside the namespace.
 * - With `--lease-ids cluster` an ID says nothing. A lease is foreign if any of its keys lies outside the namespace, because
 *   a revoke deletes it, and a renewal keeps it. Others may attach keys to a lease after it was checked. So a check before a
 *   revoke is never skipped, except for leases that were granted here, and a lease without keys is checked at each renewal.
 */
import { isVisibleId } from '../../etcd/lease-id.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import { checkedLeases, grantedLeases, knownLeases } from './known-leases.ts';

/** A lease whose keys are to be read. */
export interface CheckedLease {
  /** The ID that etcd has. */
  readonly stored: bigint;
  /** Whether a lease with so many keys, and so many of them in the namespace, is not the tenant's. */
  isForeign(keys: number, ownKeys: number): boolean;
  /** The check has found that the lease is the tenant's. */
  becomeKnown(keys: number): void;
}

/** Whether a tenant's lease can have the ID. */
export function canExist({ keySpace }: Tenant, id: bigint): boolean {
  return keySpace.mapsLeases ? isVisibleId(id) : id !== 0n;
}

/** The lease to check before a call names `id`, which can exist; null if it can be named without a check. */
export function leaseToCheck(
  tenant: Tenant,
  id: bigint,
  purpose: 'revoke' | 'renewal',
): CheckedLease | null {
  const { keySpace, state } = tenant;
  if (keySpace.mapsLeases) {
    return state.get(knownLeases).has(Number(id)) ? null : new SealedLease(tenant, Number(id));
  }
  const isKnown =
    state.get(grantedLeases).has(id) || (purpose === 'renewal' && state.get(checkedLeases).has(id));
  return isKnown ? null : new ClusterLease(tenant, id);
}

class SealedLease implements CheckedLease {
  readonly stored: bigint;
  readonly #tenant: Tenant;
  readonly #visible: number;

  constructor(tenant: Tenant, visible: number) {
    this.#tenant = tenant;
    this.#visible = visible;
    this.stored = tenant.keySpace.leases.stored(visible);
  }

  isForeign(keys: number, ownKeys: number): boolean {
    return keys > 0 && ownKeys === 0;
  }

  becomeKnown(): void {
    this.#tenant.state.get(knownLeases).add(this.#visible);
  }
}

class ClusterLease implements CheckedLease {
  readonly stored: bigint;
  readonly #tenant: Tenant;

  constructor(tenant: Tenant, id: bigint) {
    this.#tenant = tenant;
    this.stored = id;
  }

  isForeign(keys: number, ownKeys: number): boolean {
    return ownKeys < keys;
  }

  becomeKnown(keys: number): void {
    if (keys > 0) this.#tenant.state.get(checkedLeases).add(this.stored);
  }
}
