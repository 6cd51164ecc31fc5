/** The checker of register histories: what it must accept, and above all what it must reject. */
import { describe, expect, test } from 'vitest';
import { checkLinearizability, type Operation } from '../../faults/checks/linearizability.ts';
import { Seeded, seed } from '../../support/seeded.ts';

const never = Number.POSITIVE_INFINITY;
const write = (writes: string, calledAt: number, returnedAt: number): Operation => ({
  writes,
  calledAt,
  returnedAt,
});
const read = (reads: string | null, calledAt: number, returnedAt: number): Operation => ({
  reads,
  calledAt,
  returnedAt,
});
const swap = (reads: string, writes: string, calledAt: number, returnedAt: number): Operation => ({
  reads,
  writes,
  calledAt,
  returnedAt,
});
const verdict = (...operations: Operation[]) => checkLinearizability(operations).is;

describe('accepted are', () => {
  test('reads of the last write, one after the other', () => {
    expect(
      verdict(
        read(null, 0, 1),
        write('a', 2, 3),
        read('a', 4, 5),
        write('b', 6, 7),
        read('b', 8, 9),
      ),
    ).toBe('linearizable');
  });

  test('concurrent writes in either order', () => {
    expect(verdict(write('a', 0, 10), write('b', 0, 10), read('a', 11, 12))).toBe('linearizable');
    expect(verdict(write('a', 0, 10), write('b', 0, 10), read('b', 11, 12))).toBe('linearizable');
  });

  test('a read that overlaps a write, with the old or the new value', () => {
    expect(verdict(write('a', 5, 10), read(null, 0, 20), read('a', 6, 7))).toBe('linearizable');
  });

  test('a write of unknown outcome that took effect, one that did not, and one that did much later', () => {
    expect(verdict(write('a', 0, never), read('a', 5, 6))).toBe('linearizable');
    expect(verdict(write('a', 0, never), read(null, 5, 6))).toBe('linearizable');
    expect(
      verdict(write('a', 0, never), write('b', 1, 2), read('b', 5, 6), read('a', 50, 60)),
    ).toBe('linearizable');
  });

  test('a swap of the value that was there', () => {
    expect(verdict(write('a', 0, 1), swap('a', 'b', 2, 3), read('b', 4, 5))).toBe('linearizable');
  });
});

describe('rejected are', () => {
  test('a read of the value before the last write', () => {
    expect(verdict(write('a', 0, 1), write('b', 2, 3), read('a', 4, 5))).toBe('not linearizable');
  });

  test('a lost write', () => {
    expect(verdict(write('a', 0, 1), read(null, 2, 3))).toBe('not linearizable');
  });

  test('a value that nothing has written', () => {
    expect(verdict(write('a', 0, 1), read('b', 2, 3))).toBe('not linearizable');
  });

  test('a read of a write that has not been called', () => {
    expect(verdict(read('a', 0, 1), write('a', 2, 3))).toBe('not linearizable');
  });

  test('two reads that see a concurrent write and then do not', () => {
    expect(verdict(write('a', 0, 1), write('b', 2, 20), read('b', 3, 4), read('a', 5, 6))).toBe(
      'not linearizable',
    );
  });

  test('two readers that see two writes in different orders', () => {
    expect(
      verdict(
        ...[write('a', 0, 1), write('b', 0, 1)],
        ...[read('a', 2, 3), read('b', 4, 5), read('a', 6, 7)],
      ),
    ).toBe('not linearizable');
  });

  test('a write of unknown outcome that took effect twice', () => {
    expect(
      verdict(
        ...[write('a', 0, never), read('a', 1, 2), write('b', 3, 4)],
        ...[read('b', 5, 6), read('a', 7, 8)],
      ),
    ).toBe('not linearizable');
  });

  test('a swap of a value that was not there any more', () => {
    expect(verdict(write('a', 0, 1), write('b', 2, 3), swap('a', 'c', 4, 5))).toBe(
      'not linearizable',
    );
  });

  test('two swaps of the same value', () => {
    expect(verdict(write('a', 0, 1), swap('a', 'b', 2, 9), swap('a', 'c', 2, 9))).toBe(
      'not linearizable',
    );
  });

  test('with the operation that cannot be explained', () => {
    const stale = read('a', 4, 5);
    const { stuckAt } = checkLinearizability([write('a', 0, 1), write('b', 2, 3), stale]);
    expect(stuckAt).toBe(stale);
  });
});

/** Operations on a real register: each takes effect at a moment between its call and its return. */
function randomHistory(chance: Seeded, operations: number, clients: number): Operation[] {
  const plans = Array.from({ length: operations }, (_, i) => {
    const calledAt = Math.floor(i / clients) * 10 + chance.below(10);
    const effectAt = calledAt + chance.below(20);
    const isKnown = chance.chance(0.9);
    return {
      ...{ calledAt, effectAt, isKnown },
      returnedAt: effectAt + chance.below(20),
      writes: chance.chance(0.5) ? `${i}` : undefined,
      happens: isKnown || chance.chance(0.5),
    };
  }).sort((a, b) => a.effectAt - b.effectAt);
  let value: string | null = null;
  return plans.flatMap(({ calledAt, returnedAt, isKnown, writes, happens }): Operation[] => {
    if (happens && writes !== undefined) value = writes;
    const times = { calledAt, returnedAt: isKnown ? returnedAt : never };
    if (writes !== undefined) return [{ ...times, writes }];
    return isKnown ? [{ ...times, reads: value }] : [];
  });
}

test(`random histories of a real register are accepted, and rejected with one read of an overwritten value (SEED=${seed})`, () => {
  const chance = new Seeded(seed);
  let rejected = 0;
  for (let run = 0; run < 50; run++) {
    const history = randomHistory(chance, 100, 1 + chance.below(2));
    expect(checkLinearizability(history).is).toBe('linearizable');
    // Long after everything else: the value that an early write has left, if a later known write has begun after it.
    const early = history.find(({ writes }) => writes !== undefined);
    if (early?.writes === undefined || early.returnedAt === never) continue;
    const stale = [write('last', 1e6, 2e6), read(early.writes, 3e6, 4e6)];
    expect(checkLinearizability([...history, ...stale]).is).toBe('not linearizable');
    rejected += 1;
  }
  expect(rejected).toBeGreaterThan(10);
});

test('a history that takes too many states is undecided', () => {
  const concurrent = Array.from({ length: 20 }, (_, i) => write(`${i}`, 0, 100));
  const impossible = [...concurrent, read('none of them', 200, 201)];
  expect(checkLinearizability(impossible, 1_000).is).toBe('undecided');
});

test('a long history with many writes of unknown outcome is decided', () => {
  const lost = Array.from({ length: 500 }, (_, i) => write(`lost ${i}`, i, never));
  const known = Array.from({ length: 2_000 }, (_, i) => write(`${i}`, 10 * i, 10 * i + 15));
  expect(checkLinearizability([...lost, ...known, read('1999', 1e6, 2e6)]).is).toBe('linearizable');
});
