/** What the rewriters do with lease IDs in requests, in exact integers. The oracle of their tests. */
import { isVisibleId } from '../../src/etcd/lease-id.ts';
import type { LeaseSeal } from '../../src/rewrite/lease-seal.ts';

/**
 * The stored ID in a request that names a lease. An ID that no tenant can have becomes the one of visible ID 0, which is never
 * granted, so that etcd itself responds that there is no such lease.
 */
export function namedId(leases: LeaseSeal, requested: bigint): bigint {
  return leases.sealed(isVisibleId(requested) ? Number(requested) : 0);
}

/**
 * The stored operand of a comparison, for keys with a lease of the tenant and for keys without one. Null if the result depends on
 * the order of visible IDs, which stored ones do not have.
 */
export function comparedId(leases: LeaseSeal, operator: bigint, operand: bigint): bigint | null {
  if (operand === 0n) return operand;
  const isGreater = operator === 1n;
  const isLess = operator === 2n;
  if (!(isGreater || isLess)) return namedId(leases, operand);
  if (operand < 0n || (isLess && operand === 1n)) return operand;
  return isVisibleId(operand) ? null : 2n ** 63n - 1n;
}
