/**
 * The leases that this process knows to belong to their tenant: it has granted them, or has read their keys. The keys of all
 * others are read before their first renewal and before they are revoked, see lease-check.ts.
 */
import { StatePart } from '../../tenant/state.ts';

/** Per tenant and set. At this limit the lease that became known first is forgotten, and costs another read. */
export const knownLeasesMax = 16_384;

export class KnownLeases<Id = number> {
  /** In the order in which they became known. */
  readonly #ids = new Set<Id>();

  has(id: Id): boolean {
    return this.#ids.has(id);
  }

  add(id: Id): void {
    if (this.#ids.size >= knownLeasesMax) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
    this.#ids.add(id);
  }
}

/** Visible IDs of leases that were granted here, or that have passed a check. */
export const knownLeases = new StatePart(() => new KnownLeases());

/** With `--lease-ids cluster`: IDs of leases that were granted here. */
export const grantedLeases = new StatePart(() => new KnownLeases<bigint>());

/** With `--lease-ids cluster`: IDs of leases that had keys of the tenant and no others when they were checked. */
export const checkedLeases = new StatePart(() => new KnownLeases<bigint>());
