/**
 * Lease IDs are namespaced like keys: stored = tag × 2^31 + visible. The mapping needs no state, so restarts and replicas
 * agree, and a tenant cannot name a lease of another. This is the readable definition in exact integers, for paths that
 * are not hot; the rewriters do the same on varints and are tested against it.
 */

/** Visible IDs lie between 1 and this. */
export const visibleIdMax = 0x7fff_ffff;

const shift = 31n;

/** The stored ID of a visible one, 1 to `visibleIdMax`. */
export function storedId(tag: number, visible: number): bigint {
  return (BigInt(tag) << shift) | BigInt(visible);
}

/** The visible ID of a stored one, 0 for the lease that never exists; null when it has another tag. */
export function visibleId(tag: number, stored: bigint): number | null {
  return stored >> shift === BigInt(tag) ? Number(stored & BigInt(visibleIdMax)) : null;
}

/** Whether a tenant may give a lease this ID. */
export function isVisibleId(id: bigint): boolean {
  return id > 0n && id <= BigInt(visibleIdMax);
}

/**
 * What a request that names a lease sends: the stored ID, or for an ID that no tenant can have, the one with visible
 * part 0, which is never granted. So etcd itself answers that there is no such lease, in its own words.
 */
export function namedId(tag: number, requested: bigint): bigint {
  return storedId(tag, isVisibleId(requested) ? Number(requested) : 0);
}

/**
 * What a comparison with a lease ID sends. Strictly monotone from 0 to 2^31 and saturating outside, so that EQUAL,
 * NOT_EQUAL, LESS and GREATER keep their results for keys with a lease of the tenant's and for keys without one.
 */
export function comparedId(tag: number, operand: bigint): bigint {
  if (operand <= 0n) return operand;
  return isVisibleId(operand) ? storedId(tag, Number(operand)) : storedId(tag + 1, 0);
}
