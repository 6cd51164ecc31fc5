/**
 * The leases that this process knows to belong to their tenant: it has granted them, or has read their keys. The keys of all
 * others are read before their first renewal and before they are revoked, see lease-check.ts.
 */
import { StatePart } from '../../tenant/state.ts';

/** Per tenant. At this limit the lease that became known first is forgotten, and costs another read. */
export const knownLeasesMax = 16_384;

export class KnownLeases {
  /** Visible IDs, in the order in which they became known. */
  readonly #ids = new Set<number>();

  has(visible: number): boolean {
    return this.#ids.has(visible);
  }

  add(visible: number): void {
    if (this.#ids.size >= knownLeasesMax) {
      for (const oldest of this.#ids) {
        this.#ids.delete(oldest);
        break;
      }
    }
    this.#ids.add(visible);
  }
}

export const knownLeases = new StatePart(() => new KnownLeases());
