/**
 * Lease IDs are namespaced like keys: stored = tag × 2^31 + visible. The mapping needs no state, so restarts and replicas
 * agree, and a tenant cannot name a lease of another. This is the definition in exact integers, for paths that are not hot;
 * the rewriters compute the same on varints and are tested against it.
 */

/** Visible IDs lie between 1 and this. */
export const visibleIdMax = 0x7fff_ffff;

const shift = 31n;

/** The stored ID of a visible one, 1 to `visibleIdMax`. */
export function storedId(tag: number, visible: number): bigint {
  return (BigInt(tag) << shift) | BigInt(visible);
}

/** The visible ID of a stored one, 0 for the lease that is never granted; null if the ID has another tag. */
export function visibleId(tag: number, stored: bigint): number | null {
  return stored >> shift === BigInt(tag) ? Number(stored & BigInt(visibleIdMax)) : null;
}

/** Whether a lease of a tenant may have this ID. */
export function isVisibleId(id: bigint): boolean {
  return id > 0n && id <= BigInt(visibleIdMax);
}
