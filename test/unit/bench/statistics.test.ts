/** The arithmetic behind every figure that the bench prints. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { median, percentile, rotated } from '../../../bench/statistics.ts';

describe('the median', () => {
  test('is the middle of an odd number of values, whatever their order', () => {
    expect(median([30, 10, 20])).toBe(20);
  });

  test('is the mean of the middle two of an even number of values', () => {
    expect(median([40, 10, 20, 30])).toBe(25);
  });

  test('does not exist without values', () => {
    expect(() => median([])).toThrow(RangeError);
  });

  test('leaves the given values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('a percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);

  test('is the value that this share of all do not exceed', () => {
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 1)).toBe(100);
  });

  test('of nothing is the smallest value', () => {
    expect(percentile(hundred, 0)).toBe(1);
  });

  test('is always one of the values, with at least its share at or below it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer(), { minLength: 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, share) => {
          const found = percentile(values, share);
          const below = values.filter((value) => value <= found).length;
          return values.includes(found) && below >= share * values.length;
        },
      ),
    );
  });

  test('does not exist without values', () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });
});

describe('the order of a round', () => {
  test('begins one further each time and comes around', () => {
    const orders = [0, 1, 2, 3].map((round) => rotated(['a', 'b', 'c'], round).join(''));
    expect(orders).toEqual(['abc', 'bca', 'cab', 'abc']);
  });

  test('of no values is empty', () => {
    expect(rotated([], 3)).toEqual([]);
  });
});
