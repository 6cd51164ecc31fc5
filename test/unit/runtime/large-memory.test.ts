import { describe, expect, test } from 'vitest';
import {
  giveBackMemory,
  isLarge,
  largeBytesMin,
  takeMemory,
} from '../../../src/runtime/large-memory.ts';

/** Whatever other pieces are spare: takes until this one comes, a bounded number of times. */
function takesAgain(bytes: number, marker: number): boolean {
  return Array.from({ length: 50 }, () => takeMemory(bytes)).some((each) => each[0] === marker);
}

describe('large memory', () => {
  test('that was given back is used again, and views of it are empty', () => {
    const first = takeMemory(1_000_000);
    const view = first.subarray(10, 20);
    first[0] = 123;
    expect(isLarge(first)).toBe(true);
    giveBackMemory(first);
    expect([first.length, view.length]).toEqual([0, 0]);
    expect(takesAgain(900_000, 123)).toBe(true);
  });

  test('is as long as was asked for, also where what was spare is longer', () => {
    giveBackMemory(takeMemory(2_000_000));
    expect(takeMemory(1_500_000).length).toBe(1_500_000);
  });

  test('is not wasted on what is much smaller', () => {
    const large = takeMemory(8_000_000);
    large[0] = 45;
    giveBackMemory(large);
    expect(takesAgain(largeBytesMin, 45)).toBe(false);
  });

  test('is kept up to a bound, and beyond it freed', () => {
    const all = Array.from({ length: 10 }, () => takeMemory(4_000_000));
    for (const each of all) each[0] = 67;
    for (const each of all) giveBackMemory(each);
    expect(all.every((each) => each.length === 0)).toBe(true);
    const again = Array.from({ length: 10 }, () => takeMemory(4_000_000));
    expect(again.filter((each) => each[0] === 67).length).toBeLessThanOrEqual(4);
  });
});

test('small memory, and a view of something larger, are not to be given back', () => {
  expect(isLarge(takeMemory(largeBytesMin - 1))).toBe(false);
  expect(isLarge(takeMemory(largeBytesMin).subarray(1))).toBe(false);
});
