/**
 * The renewal of each lease that is waiting or in flight, by the bytes of its request: a hash table with open addressing, at
 * most half full. Adding and removing a renewal allocates nothing, not even a string for the key. Clients choose lease IDs, so
 * the hash uses random numbers that they do not know.
 *
 * Not a Map, for the reason in http2/stream-table.ts: with a Map, garbage collection took 29 % of the CPU at 10,000
 * keepalives per second, now a few per cent. The figures are in docs/performance.md, "Improvements that helped".
 */
import { systemRandom } from '../runtime/random.ts';
import type { Renewal } from './renewal.ts';

/** Odd, and different in every process. */
const multiplier = 2 * systemRandom.integer(2 ** 29, 2 ** 30) + 1;
const seed = systemRandom.integer(0, 2 ** 31);
/** A power of two, like every capacity. */
const capacityMin = 64;
/** Capacity that an empty table keeps. */
const capacityKeptMax = 1_024;

/** The hash of a request, for `find` and for the renewal that is made of it. */
export function hashOf(request: Uint8Array): number {
  let hash = seed;
  for (let i = 0; i < request.length; i++) {
    hash = Math.imul(hash ^ (request[i] as number), multiplier);
    hash ^= hash >>> 15;
  }
  return hash;
}

export class RenewalTable {
  #size = 0;
  #slots: (Renewal | null)[] = empty(capacityMin);

  /** `hash` is that of `request`. */
  find(request: Uint8Array, hash: number): Renewal | null {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const renewal = slots[at] as Renewal | null;
      if (renewal === null) return null;
      if (renewal.hash === hash && isSame(renewal.request, request)) return renewal;
    }
  }

  /** The table must not have a renewal of the same lease. */
  add(renewal: Renewal): void {
    if ((this.#size + 1) * 2 > this.#slots.length) this.#resize(this.#slots.length * 2);
    place(this.#slots, renewal);
    this.#size += 1;
  }

  /** `renewal` must be in the table. */
  replace(renewal: Renewal, next: Renewal): void {
    this.#slots[this.#indexOf(renewal)] = next;
  }

  /** `renewal` must be in the table. */
  remove(renewal: Renewal): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#indexOf(renewal);
    // Renewals that were displaced by this one move up, so that no search stops at the hole.
    for (let at = (hole + 1) & mask; ; at = (at + 1) & mask) {
      const other = slots[at] as Renewal | null;
      if (other === null) break;
      if (((at - other.hash) & mask) < ((at - hole) & mask)) continue;
      slots[hole] = other;
      hole = at;
    }
    slots[hole] = null;
    this.#size -= 1;
    if (this.#size === 0 && slots.length > capacityKeptMax) this.#slots = empty(capacityMin);
  }

  /** A snapshot, in no particular order. */
  values(): Renewal[] {
    return this.#slots.filter((renewal) => renewal !== null);
  }

  #indexOf(renewal: Renewal): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = renewal.hash & mask;
    while (slots[at] !== renewal) {
      if (slots[at] === null) throw new Error('the renewal is not in the table');
      at = (at + 1) & mask;
    }
    return at;
  }

  #resize(capacity: number): void {
    const slots = empty(capacity);
    for (const renewal of this.values()) place(slots, renewal);
    this.#slots = slots;
  }
}

function empty(capacity: number): (Renewal | null)[] {
  return new Array<Renewal | null>(capacity).fill(null);
}

function place(slots: (Renewal | null)[], renewal: Renewal): void {
  const mask = slots.length - 1;
  let at = renewal.hash & mask;
  while (slots[at] !== null) at = (at + 1) & mask;
  slots[at] = renewal;
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
