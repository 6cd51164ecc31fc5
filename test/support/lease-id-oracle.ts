/** What the rewriters do with lease IDs in requests, in exact integers. The oracle of their tests. */
import { isVisibleId, storedId } from '../../src/etcd/lease-id.ts';

/**
 * The stored ID in a request that names a lease. An ID that no tenant can have becomes the one with visible part 0, which is
 * never granted, so that etcd itself responds that there is no such lease.
 */
export function namedId(tag: number, requested: bigint): bigint {
  return storedId(tag, isVisibleId(requested) ? Number(requested) : 0);
}

/**
 * The stored operand of a comparison. Strictly monotone from 0 to 2^31 and saturating outside, so that EQUAL, NOT_EQUAL, LESS
 * and GREATER keep their results for keys with a lease of the tenant and for keys without one.
 */
export function comparedId(tag: number, operand: bigint): bigint {
  if (operand <= 0n) return operand;
  return isVisibleId(operand) ? storedId(tag, Number(operand)) : storedId(tag + 1, 0);
}
