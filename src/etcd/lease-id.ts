/**
 * Lease IDs are namespaced as keys are: stored = tag × 2^31 + visible. The mapping has no state, so it survives restarts and
 * is the same on every replica, and a tenant cannot name a lease of another tenant. This is the definition in bigint, for code
 * off the hot path. The rewriters do the same on varints and are tested against it.
 */

/** Visible IDs are between 1 and this. */
export const visibleIdMax = 0x7fff_ffff;

const shift = 31n;

/** The stored ID of a visible one, which is from 1 to `visibleIdMax`. */
export function storedId(tag: number, visible: number): bigint {
  return (BigInt(tag) << shift) | BigInt(visible);
}

/** The visible ID of a stored one; 0 for the ID that is never granted. Returns null if the ID has another tag. */
export function visibleId(tag: number, stored: bigint): number | null {
  return stored >> shift === BigInt(tag) ? Number(stored & BigInt(visibleIdMax)) : null;
}

/** Whether `id` is a valid visible ID. */
export function isVisibleId(id: bigint): boolean {
  return id > 0n && id <= BigInt(visibleIdMax);
}
