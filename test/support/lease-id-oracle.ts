/** What the rewriters do with lease IDs in requests, in exact integers. The oracle of their tests. */
import { isVisibleId } from '../../src/etcd/lease-id.ts';
import type { LeaseSeal } from '../../src/rewrite/lease-seal.ts';

/**
 * The stored ID in a request that names a lease. An ID that no tenant can have becomes the one of visible ID 0, which is never
 * granted, so that etcd itself responds that there is no such lease.
 */
export function namedId(leases: LeaseSeal, requested: bigint): bigint {
  return leases.stored(isVisibleId(requested) ? Number(requested) : 0);
}

/**
 * The stored operand of a comparison. Strictly monotone for the visible IDs and 0, and saturating outside, so that EQUAL,
 * NOT_EQUAL, LESS and GREATER keep their results for keys with a lease of the tenant and for keys without one.
 */
export function comparedId(leases: LeaseSeal, operand: bigint): bigint {
  if (operand <= 0n) return operand;
  return isVisibleId(operand) ? leases.stored(Number(operand)) : 2n ** 63n - 1n;
}
