/**
 * A bounded number of places that groups share, for example the connections of tenants. A group has parts, for example the
 * addresses of its clients. While places are free, a group and a part may take as many as they want. When all are taken, a
 * newcomer gets a place in one of these ways, or is rejected:
 *
 * 1. From the largest group, if it has at least two places more than the newcomer's group.
 * 2. From the largest part of its own group, if that has at least two places more than its own part.
 * 3. From an occupant of its own group that has been idle for some time.
 *
 * In the first two cases an idle occupant of the largest part leaves, or else its oldest that is not busy, or else its newest.
 * So no group can keep another one below an equal share, and neither can a part. Groups of about the same size do not displace
 * each other in turns.
 */

/** What has a place. */
export interface Occupant {
  /** Whether it is in use. Only a smaller group or part can take its place. */
  isBusy(nowMs: number): boolean;
  /** For how long it has not been used. */
  idleForMs(nowMs: number): number;
  /** Its place is given to another occupant. Must call `leave` before it returns. */
  displace(): void;
}

/** What a place counts for. */
export interface PlaceName {
  readonly group: string;
  readonly part: string;
}

/** After a search for an idle occupant without success, the same is not searched again for this part of the idle time. */
const searchPausePart = 1 / 10;

/** Named sets. The largest is known without a search, unless it has become smaller. */
class BySize<V extends { readonly size: number }> {
  readonly #all = new Map<string, V>();
  #largest: V | null = null;

  get(name: string): V | undefined {
    return this.#all.get(name);
  }

  values(): Iterable<V> {
    return this.#all.values();
  }

  /** Called after `value` was added, or has grown by one. */
  grown(name: string, value: V): void {
    if (value.size === 1) this.#all.set(name, value);
    if (this.#largest !== null && value.size > this.#largest.size) this.#largest = value;
  }

  /** Called after `value` has become smaller. An empty one is removed. */
  shrunk(name: string, value: V): void {
    if (this.#largest === value) this.#largest = null;
    if (value.size === 0) this.#all.delete(name);
  }

  get largest(): V | null {
    if (this.#largest === null) {
      for (const value of this.#all.values()) {
        if (this.#largest === null || value.size > this.#largest.size) this.#largest = value;
      }
    }
    return this.#largest;
  }
}

/** In the order in which the occupants came. */
class Part<T extends Occupant> extends Set<T> {
  searchAfterMs = Number.NEGATIVE_INFINITY;

  get parts(): Iterable<Part<T>> {
    return [this];
  }
}

class Group<T extends Occupant> {
  size = 0;
  readonly byPart = new BySize<Part<T>>();
  searchAfterMs = Number.NEGATIVE_INFINITY;

  get parts(): Iterable<Part<T>> {
    return this.byPart.values();
  }
}

export class FairPlaces<T extends Occupant> {
  readonly #idleMsMin: number;
  readonly #groups = new BySize<Group<T>>();
  #size = 0;

  /** An occupant that is idle for `idleMsMin` can be displaced by one of its own group. */
  constructor(idleMsMin: number) {
    this.#idleMsMin = idleMsMin;
  }

  /** Places that are taken. */
  get size(): number {
    return this.#size;
  }

  /** Takes one of `placesMax` places, or returns false. The occupant must not have one. */
  take(occupant: T, name: PlaceName, placesMax: number, nowMs: number): boolean {
    if (this.#size >= placesMax) {
      const leaving = this.#leavingFor(name, nowMs);
      if (leaving === null) return false;
      leaving.displace();
    }
    this.#add(occupant, name);
    return true;
  }

  /** Has no effect if the occupant has no place by that name. */
  leave(occupant: T, name: PlaceName): void {
    const group = this.#groups.get(name.group);
    const part = group?.byPart.get(name.part);
    if (group === undefined || part === undefined || !part.delete(occupant)) return;
    this.#size -= 1;
    group.size -= 1;
    group.byPart.shrunk(name.part, part);
    this.#groups.shrunk(name.group, group);
  }

  /** The occupant keeps its place, which counts for another group from now on. */
  move(occupant: T, from: PlaceName, to: PlaceName): void {
    this.leave(occupant, from);
    this.#add(occupant, to);
  }

  #add(occupant: T, name: PlaceName): void {
    const group = this.#groups.get(name.group) ?? new Group<T>();
    const part = group.byPart.get(name.part) ?? new Part<T>();
    part.add(occupant);
    this.#size += 1;
    group.size += 1;
    group.byPart.grown(name.part, part);
    this.#groups.grown(name.group, group);
  }

  #leavingFor(name: PlaceName, nowMs: number): T | null {
    const { largest } = this.#groups;
    if (largest === null) return null;
    const own = this.#groups.get(name.group);
    const isSmaller = largest.size >= (own?.size ?? 0) + 2;
    const group = isSmaller ? largest : (own ?? largest);
    const part = group.byPart.largest;
    const ownSize = group.byPart.get(name.part)?.size ?? 0;
    if (part === null || !(isSmaller || part.size >= ownSize + 2)) {
      return this.#idleOf(group, nowMs);
    }
    return this.#idleOf(part, nowMs) ?? leastUsed(part, nowMs);
  }

  #idleOf(searched: Group<T> | Part<T>, nowMs: number): T | null {
    if (nowMs < searched.searchAfterMs) return null;
    for (const part of searched.parts) {
      for (const occupant of part) {
        const isIdle = !occupant.isBusy(nowMs) && occupant.idleForMs(nowMs) >= this.#idleMsMin;
        if (isIdle) return occupant;
      }
    }
    searched.searchAfterMs = nowMs + this.#idleMsMin * searchPausePart;
    return null;
  }
}

/** The oldest that is not busy, or else the newest. */
function leastUsed<T extends Occupant>(part: ReadonlySet<T>, nowMs: number): T | null {
  let newest: T | null = null;
  for (const occupant of part) {
    if (!occupant.isBusy(nowMs)) return occupant;
    newest = occupant;
  }
  return newest;
}
