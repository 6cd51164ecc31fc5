/** Lease IDs of a namespace in bigint, for code off the hot path. The mapping itself is rewrite/lease-seal.ts. */
import { foreignLease, type LeaseSeal } from '../rewrite/lease-seal.ts';

/** Visible IDs are between 1 and this. */
export const visibleIdMax = 0x7fff_ffff;

/** The visible ID of a stored one; 0 for the ID that is never granted. Returns null for an ID of another namespace. */
export function visibleId(leases: LeaseSeal, stored: bigint): number | null {
  const bits = BigInt.asUintN(64, stored);
  const visible = leases.open(Number(bits >> 32n), Number(bits & 0xffff_ffffn));
  return visible === foreignLease ? null : visible;
}

/** Whether `id` is a valid visible ID. */
export function isVisibleId(id: bigint): boolean {
  return id > 0n && id <= BigInt(visibleIdMax);
}
