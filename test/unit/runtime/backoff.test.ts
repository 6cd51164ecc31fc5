import { expect, test } from 'vitest';
import { Backoff } from '../../../src/runtime/backoff.ts';

const limits = { firstMs: 100, maxMs: 1_000 };
const least = { integer: (min: number) => min };
const most = { integer: (_: number, max: number) => max - 1 };

test('delays double up to a limit, and start again after a reset', () => {
  const backoff = new Backoff({ integer: (_, max) => (max - 1) / 2 }, limits);
  const delays = Array.from({ length: 6 }, () => backoff.nextMs());
  expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  backoff.reset();
  expect([backoff.nextMs(), backoff.nextMs()]).toEqual([100, 200]);
});

test('delays vary by a fifth, so that processes do not retry at the same time', () => {
  expect(new Backoff(least, limits).nextMs()).toBe(80);
  expect(new Backoff(most, limits).nextMs()).toBe(120);
});

test('jitter does not add up from one delay to the next', () => {
  const backoff = new Backoff(most, limits);
  expect([backoff.nextMs(), backoff.nextMs(), backoff.nextMs()]).toEqual([120, 240, 480]);
});
