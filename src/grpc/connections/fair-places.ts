/**
 * A bounded number of places that groups share, for example the connections of tenants. While places are free, a group may
 * take as many as it wants. When all are taken, a newcomer gets a place in one of two ways, or is rejected:
 *
 * 1. From the largest group, if it has at least two places more than the newcomer's group. Its oldest occupant that is not
 *    busy leaves, or else its newest one. So no group can keep another one below an equal share, and groups of about the same
 *    size do not displace each other in turns.
 * 2. Otherwise from an occupant of the own group that has been idle for some time.
 */

/** What has a place. */
export interface Occupant {
  /** Whether it is in use. Only a smaller group can take its place. */
  isBusy(nowMs: number): boolean;
  /** For how long it has not been used. */
  idleForMs(nowMs: number): number;
  /** Its place is given to another occupant. Must call `leave` before it returns. */
  displace(): void;
}

/** After a search for an idle occupant without success, the group is not searched again for this part of the idle time. */
const searchPausePart = 1 / 10;

class Group<T extends Occupant> {
  /** In the order in which they came. */
  readonly occupants = new Set<T>();
  searchAfterMs = Number.NEGATIVE_INFINITY;
}

export class FairPlaces<T extends Occupant> {
  readonly #idleMsMin: number;
  readonly #groups = new Map<string, Group<T>>();
  #size = 0;
  /** Null if it is not known. */
  #largest: Group<T> | null = null;

  /** An occupant that is idle for `idleMsMin` can be displaced by one of its own group. */
  constructor(idleMsMin: number) {
    this.#idleMsMin = idleMsMin;
  }

  /** Places that are taken. */
  get size(): number {
    return this.#size;
  }

  /** Takes one of `placesMax` places, or returns false. The occupant must not have one. */
  take(occupant: T, groupName: string, placesMax: number, nowMs: number): boolean {
    if (this.#size >= placesMax) {
      const leaving = this.#leavingFor(groupName, nowMs);
      if (leaving === null) return false;
      leaving.displace();
    }
    this.#add(occupant, groupName);
    return true;
  }

  /** Has no effect if the occupant has no place in that group. */
  leave(occupant: T, groupName: string): void {
    const group = this.#groups.get(groupName);
    if (group === undefined || !group.occupants.delete(occupant)) return;
    this.#size -= 1;
    if (this.#largest === group) this.#largest = null;
    if (group.occupants.size === 0) this.#groups.delete(groupName);
  }

  /** The occupant keeps its place, which counts for another group from now on. */
  move(occupant: T, from: string, to: string): void {
    this.leave(occupant, from);
    this.#add(occupant, to);
  }

  #add(occupant: T, groupName: string): void {
    let group = this.#groups.get(groupName);
    if (group === undefined) {
      group = new Group();
      this.#groups.set(groupName, group);
    }
    group.occupants.add(occupant);
    this.#size += 1;
    const largest = this.#largest;
    if (largest !== null && group.occupants.size > largest.occupants.size) this.#largest = group;
  }

  #leavingFor(groupName: string, nowMs: number): T | null {
    const largest = this.#findLargest();
    if (largest === null) return null;
    const own = this.#groups.get(groupName);
    if (largest.occupants.size >= (own?.occupants.size ?? 0) + 2) {
      return leastUsed(largest, nowMs);
    }
    return this.#idleOf(own ?? largest, nowMs);
  }

  #findLargest(): Group<T> | null {
    if (this.#largest !== null) return this.#largest;
    let found: Group<T> | null = null;
    for (const group of this.#groups.values()) {
      if (found === null || group.occupants.size > found.occupants.size) found = group;
    }
    this.#largest = found;
    return found;
  }

  #idleOf(group: Group<T>, nowMs: number): T | null {
    if (nowMs < group.searchAfterMs) return null;
    for (const occupant of group.occupants) {
      if (!occupant.isBusy(nowMs) && occupant.idleForMs(nowMs) >= this.#idleMsMin) return occupant;
    }
    group.searchAfterMs = nowMs + this.#idleMsMin * searchPausePart;
    return null;
  }
}

/** The oldest that is not busy, or else the newest. */
function leastUsed<T extends Occupant>({ occupants }: Group<T>, nowMs: number): T | null {
  let newest: T | null = null;
  for (const occupant of occupants) {
    if (!occupant.isBusy(nowMs)) return occupant;
    newest = occupant;
  }
  return newest;
}
