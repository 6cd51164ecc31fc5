import { describe, expect, test } from 'vitest';
import { formatTimeout, parseTimeout } from '../../../src/grpc/timeout.ts';

describe('grpc-timeout', () => {
  test.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3_000],
    ['4m', 4],
    ['5u', 0.005],
    ['99999999n', 99.999999],
    ['0m', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseTimeout(text)).toBeCloseTo(ms, 9);
  });

  test.each(['', 'S', '5', '5s', '123456789S', '-1S', '1.5S', ' 1S', '1S '])(
    '%j is malformed',
    (text) => {
      expect(parseTimeout(text)).toBeNaN();
    },
  );

  test.each([
    [5_000, '5000000u'],
    [0.0001, '1u'],
    [0, '1u'],
    [-5, '1u'],
    [200_000, '200000m'],
    [200_000_000, '200000S'],
    [1e15, '99999999S'],
  ])('%d ms is written as %s', (ms, text) => {
    expect(formatTimeout(ms)).toBe(text);
  });

  test('a timeout is never written shorter than it is', () => {
    for (let ms = 0.3; ms < 1e9; ms *= 1.37) {
      expect(parseTimeout(formatTimeout(ms))).toBeGreaterThanOrEqual(ms);
    }
  });
});
