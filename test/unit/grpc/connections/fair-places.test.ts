/** The sharing of a limited number of places between groups, with occupants that a test controls. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  FairPlaces,
  type Occupant,
  type PlaceName,
} from '../../../../src/grpc/connections/fair-places.ts';

const idleMsMin = 1_000;

class Guest implements Occupant {
  readonly name: string;
  readonly group: string;
  readonly place: PlaceName;
  readonly #places: FairPlaces<Guest>;
  isInUse = false;
  usedMs = 0;
  isDisplaced = false;

  constructor(places: FairPlaces<Guest>, place: PlaceName, name: string) {
    this.#places = places;
    this.place = place;
    this.group = place.group;
    this.name = name;
  }

  isBusy(): boolean {
    return this.isInUse;
  }

  idleForMs(nowMs: number): number {
    return nowMs - this.usedMs;
  }

  displace(): void {
    this.isDisplaced = true;
    this.#places.leave(this, this.place);
  }
}

class Room {
  readonly places = new FairPlaces<Guest>(idleMsMin);
  readonly max: number;
  readonly guests: Guest[] = [];
  nowMs = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** Returns null if there is no place. */
  enter(group: string, part = ''): Guest | null {
    const place = { group, part };
    const guest = new Guest(this.places, place, `${group}${part}${this.guests.length}`);
    guest.usedMs = this.nowMs;
    if (!this.places.take(guest, place, this.max, this.nowMs)) return null;
    this.guests.push(guest);
    return guest;
  }

  fill(group: string, count: number, part?: string): Guest[] {
    return Array.from({ length: count }, () => this.enter(group, part)).filter(
      (guest) => guest !== null,
    );
  }

  get displaced(): string[] {
    return this.guests.filter(({ isDisplaced }) => isDisplaced).map(({ name }) => name);
  }

  count(group: string): number {
    return this.guests.filter((guest) => guest.group === group && !guest.isDisplaced).length;
  }
}

describe('while places are free', () => {
  test('one group may take all of them', () => {
    const room = new Room(5);
    expect(room.fill('a', 6)).toHaveLength(5);
    expect(room.displaced).toEqual([]);
  });

  test('a place that was left is free again', () => {
    const room = new Room(1);
    room.enter('a')?.displace();
    expect(room.enter('b')).not.toBeNull();
    expect(room.places.size).toBe(1);
  });
});

describe('a newcomer when all are taken', () => {
  test('of a smaller group displaces the oldest of the largest group that is not busy', () => {
    const room = new Room(4);
    const [first] = room.fill('a', 3);
    room.enter('b');
    if (first !== undefined) first.isInUse = true;
    expect(room.enter('c')).not.toBeNull();
    expect(room.displaced).toEqual(['a1']);
  });

  test('displaces the newest if all of the largest group are busy', () => {
    const room = new Room(3);
    for (const guest of room.fill('a', 3)) guest.isInUse = true;
    expect(room.enter('b')).not.toBeNull();
    expect(room.displaced).toEqual(['a2']);
  });

  test('is rejected if the largest group would be smaller than its own afterwards', () => {
    const room = new Room(3);
    room.fill('a', 2);
    room.fill('b', 1);
    expect(room.enter('b')).toBeNull();
    expect(room.displaced).toEqual([]);
  });

  test('of the largest group displaces one of its own that has been idle', () => {
    const room = new Room(3);
    const [busy, , used] = room.fill('a', 3);
    if (busy !== undefined) busy.isInUse = true;
    room.nowMs = idleMsMin - 1;
    expect(room.enter('a')).toBeNull();
    room.nowMs = idleMsMin + idleMsMin / 10;
    if (used !== undefined) used.usedMs = room.nowMs;
    expect(room.enter('a')).not.toBeNull();
    expect(room.displaced).toEqual(['a1']);
    expect(room.enter('a')).toBeNull();
  });

  test('of a new group, if every group has one place, displaces only an idle one', () => {
    const room = new Room(2);
    room.enter('a');
    room.enter('b');
    expect(room.enter('c')).toBeNull();
    room.nowMs = 2 * idleMsMin;
    expect(room.enter('c')).not.toBeNull();
    expect(room.displaced).toEqual(['a0']);
  });

  test('is rejected without a search right after a search that found no idle one', () => {
    const room = new Room(100);
    let checks = 0;
    for (const guest of room.fill('a', 100)) {
      guest.idleForMs = () => {
        checks += 1;
        return 0;
      };
    }
    for (let i = 0; i < 50; i++) expect(room.enter('a')).toBeNull();
    expect(checks).toBe(100);
    room.nowMs += idleMsMin / 10;
    expect(room.enter('a')).toBeNull();
    expect(checks).toBe(200);
  });
});

describe('parts of a group', () => {
  test('share its places: one with fewer displaces one of the largest', () => {
    const room = new Room(4);
    room.fill('a', 4, 'x');
    expect(room.fill('a', 4, 'y')).toHaveLength(2);
    expect(room.displaced).toEqual(['ax0', 'ax1']);
    expect(room.enter('a', 'x')).toBeNull();
  });

  test('many of them do not keep out another group', () => {
    const room = new Room(8);
    for (let i = 0; i < 20; i++) room.enter('a', `${i}`);
    expect(room.fill('b', 20, 'x')).toHaveLength(4);
    expect(room.count('a')).toBe(4);
  });

  test('the largest part of the largest group gives, an idle one of it first', () => {
    const room = new Room(6);
    room.fill('a', 2, 'x');
    const [, idle, ...others] = room.fill('a', 4, 'y');
    room.nowMs = idleMsMin;
    for (const guest of room.guests) if (guest !== idle) guest.usedMs = room.nowMs;
    expect(others).toHaveLength(2);
    expect(room.enter('b')).not.toBeNull();
    expect(room.displaced).toEqual([idle?.name]);
  });

  test('an idle occupant of another part gives its place if all parts are equal', () => {
    const room = new Room(3);
    for (const part of ['x', 'y', 'z']) room.enter('a', part);
    expect(room.enter('a', 'new')).toBeNull();
    room.nowMs = 2 * idleMsMin;
    for (const guest of room.guests.slice(0, 2)) guest.usedMs = room.nowMs;
    expect(room.enter('a', 'new')).not.toBeNull();
    expect(room.displaced).toEqual(['az2']);
  });
});

test('what moves to another group keeps its place and counts there', () => {
  const room = new Room(3);
  const [guest] = room.fill('a', 3);
  if (guest === undefined) throw new Error('unreachable');
  const moved = { group: 'b', part: 'x' };
  room.places.move(guest, guest.place, moved);
  expect(room.places.size).toBe(3);
  room.places.leave(guest, guest.place);
  expect(room.places.size).toBe(3);
  room.places.leave(guest, moved);
  expect(room.places.size).toBe(2);
});

test('for any sequence: never more than the limit, and every group that wants it gets an equal share', () => {
  const arrivals = fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { maxLength: 120 });
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 20 }), arrivals, (max, groups) => {
      const room = new Room(max);
      for (const group of groups) {
        const before = room.count(group);
        const entered = room.enter(group);
        expect(room.places.size).toBeLessThanOrEqual(max);
        // It is rejected only when it has its share already.
        if (entered === null) expect(before).toBeGreaterThanOrEqual(Math.floor(max / 4));
      }
      for (const group of ['a', 'b', 'c', 'd']) {
        for (let i = 0; i < max; i++) room.enter(group);
      }
      for (const group of ['a', 'b', 'c', 'd']) {
        expect(room.count(group)).toBeGreaterThanOrEqual(Math.floor(max / 4));
      }
      // Equal groups do not displace each other any more.
      const before = room.displaced.length;
      for (let i = 0; i < 20; i++) room.enter(groups[i % groups.length] ?? 'a');
      const sizes = ['a', 'b', 'c', 'd'].map((group) => room.count(group));
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      expect(room.displaced.length).toBe(before);
    }),
  );
});
