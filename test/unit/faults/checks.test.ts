/** The checks of the fault matrix: each accepts what is right and names what is wrong. */
import { describe, expect, test } from 'vitest';
import { checkLeases } from '../../faults/checks/leases.ts';
import { checkLocks } from '../../faults/checks/locks.ts';
import { checkRegisters } from '../../faults/checks/registers.ts';
import { checkWatch } from '../../faults/checks/watches.ts';
import { checkWrites } from '../../faults/checks/writes.ts';
import { Ledger } from '../../faults/ledger.ts';
import type { Stored } from '../../faults/store-history.ts';

const put = (revision: number, name: string, value: string): Stored => ({
  ...{ revision, name, value },
  isDelete: false,
});
const remove = (revision: number, name: string): Stored => ({
  ...{ revision, name, value: '' },
  isDelete: true,
});

describe('writes', () => {
  const ledger = new Ledger();
  ledger.writes.push(
    { keys: ['r/0', 'r/1'], value: 'a', acknowledged: { revision: 2, atMs: 0 } },
    { keys: ['r/0'], value: 'b', acknowledged: null },
  );
  const both = [put(2, 'r/0', 'a'), put(2, 'r/1', 'a')];

  test('a write without a response may be there or not', () => {
    expect(checkWrites(ledger, both)).toEqual([]);
    expect(checkWrites(ledger, [...both, put(3, 'r/0', 'b')])).toEqual([]);
  });

  test('a write without a response that was applied twice is found', () => {
    const twice = [...both, put(3, 'r/0', 'b'), put(4, 'r/0', 'b')];
    expect(checkWrites(ledger, twice)).toEqual(['applied twice: b to r/0, at 3 and 4']);
  });

  test('half of an acknowledged transaction is found to be lost', () => {
    expect(checkWrites(ledger, both.slice(1))).toEqual(['lost: a to r/0, acknowledged at 2']);
  });

  test('a response with another revision is found', () => {
    const later = both.map((each) => ({ ...each, revision: 3 }));
    expect(checkWrites(ledger, later)).toHaveLength(2);
  });
});

describe('watches', () => {
  const history = [put(2, 'r/0', 'a'), put(3, 'other', 'b'), put(4, 'r/1', 'c'), remove(5, 'r/0')];
  const lines = ['2 PUT r/0 a', '4 PUT r/1 c', '5 DELETE r/0 '];
  const check = (delivered: readonly string[], firstRevision = 1) =>
    checkWatch(
      {
        ...{ name: 'w', firstRevision, range: { from: 'r/', to: 'r0' } },
        delivered: delivered.map((line) => ({ line })),
      },
      history,
    );

  test('a complete watch is right', () => {
    expect(check(lines)).toBeNull();
    expect(check(lines.slice(1), 3)).toBeNull();
  });

  test('missing, repeated, disordered and invented events are found', () => {
    const [first = '', second = '', third = ''] = lines;
    expect(check([first, third])).toBe(`w misses ${second}, the next is ${third}`);
    expect(check([first, second])).toBe(`w ends before ${third}`);
    expect(check([first, first, second, third])).toBe(`w repeats ${first}`);
    expect(check([second, first, third])).toBe(`w reports ${second} before ${first}`);
    expect(check([first, '4 PUT r/1 x'])).toContain('what is not in the store');
    expect(check([first, '3 PUT other b'])).toContain('what is not in the store');
  });
});

describe('locks', () => {
  const section = (holder: string, fromMs: number, toMs: number) => ({ holder, fromMs, toMs });

  test('sections one after the other, and a counter without gaps, are right', () => {
    const sections = [section('b', 20, 30), section('a', 0, 10)];
    expect(checkLocks(sections, [put(2, 'counter', '1'), put(3, 'counter', '2')])).toEqual([]);
  });

  test('two holders at the same time are found', () => {
    const found = checkLocks(
      [section('a', 0, 100), section('b', 10, 20), section('c', 30, 40)],
      [],
    );
    expect(found).toHaveLength(2);
  });

  test('a lost increment is found', () => {
    const found = checkLocks([], [put(2, 'counter', '1'), put(3, 'counter', '1')]);
    expect(found).toEqual(['the counter goes from 1 to 1']);
  });
});

describe('leases', () => {
  const holder = { name: 'h', leased: 'leased/h', isLost: false };

  test('a key that is there is right', () => {
    expect(checkLeases([holder], [put(2, 'leased/h', 'h')])).toEqual([]);
  });

  test('a deleted key, and a holder that was misinformed, are found', () => {
    expect(checkLeases([holder], [remove(3, 'leased/h')])).toHaveLength(1);
    expect(checkLeases([{ ...holder, isLost: true }], [])).toHaveLength(1);
  });
});

test('a register that is not linearizable is found', () => {
  const ledger = new Ledger();
  ledger.onOperation('r/0', { writes: 'a', calledAt: 0, returnedAt: 1 });
  ledger.onOperation('r/0', { reads: 'a', calledAt: 2, returnedAt: 3 });
  expect(checkRegisters(ledger)).toEqual([]);
  ledger.onOperation('r/0', { reads: null, calledAt: 4, returnedAt: 5 });
  expect(checkRegisters(ledger)).toHaveLength(1);
});
