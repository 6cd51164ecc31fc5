import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  durationBuckets,
  durationQuantile,
  RecentDurations,
  sumOfDurations,
} from '../../../src/tenant/recent-durations.ts';

function countOf(durations: RecentDurations, nowMs: number): number {
  return durations.recent(nowMs).reduce((sum, value, index) => sum + (index % 2) * value, 0);
}

describe('recent durations', () => {
  test('give every percentile within the width of its bucket', () => {
    const ms = fc.double({ min: 0, max: 130_000, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(ms, { minLength: 1, maxLength: 50 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (all, share) => {
          const durations = new RecentDurations();
          for (const each of all) durations.record(each, 0);
          const exact = all.toSorted((a, b) => a - b)[
            Math.max(Math.ceil(share * all.length), 1) - 1
          ];
          const estimate = durationQuantile(durations.recent(0), share) ?? Number.NaN;
          expect(Math.abs(estimate - (exact ?? 0))).toBeLessThanOrEqual((exact ?? 0) / 4 + 1 / 16);
        },
      ),
    );
  });

  test('are forgotten after 30 to 60 seconds', () => {
    const durations = new RecentDurations();
    durations.record(1, 1_000);
    durations.record(1, 30_500);
    expect(countOf(durations, 31_500)).toBe(2);
    durations.record(1, 32_000);
    expect(countOf(durations, 60_900)).toBe(3);
    expect(countOf(durations, 61_000)).toBe(1);
    expect(countOf(durations, 91_001)).toBe(0);
  });

  test('are forgotten after a pause that is longer than that', () => {
    const durations = new RecentDurations();
    durations.record(1, 0);
    durations.record(2, 500_000);
    expect(countOf(durations, 500_000)).toBe(1);
  });

  test('of any size have a bucket', () => {
    for (const ms of [0, -0, 1e-30, 1 / 16, 1e9, Infinity]) {
      const durations = new RecentDurations();
      durations.record(ms, 0);
      const [bucket = -1, count] = durations.recent(0);
      expect(bucket).toBeGreaterThanOrEqual(0);
      expect(bucket).toBeLessThan(durationBuckets);
      expect(count).toBe(1);
    }
  });

  test('have no percentile without calls, and those of several processes add up', () => {
    expect(durationQuantile(new RecentDurations().recent(0), 0.5)).toBeNull();
    const [fast, slow] = [new RecentDurations(), new RecentDurations()];
    for (let i = 0; i < 98; i++) fast.record(1, 0);
    for (let i = 0; i < 2; i++) slow.record(1_000, 0);
    const both = sumOfDurations(fast.recent(0), slow.recent(0));
    expect(sumOfDurations(slow.recent(0), fast.recent(0))).toEqual(both);
    expect(durationQuantile(both, 0.5)).toBeCloseTo(1.1, 0);
    expect(durationQuantile(both, 0.99)).toBeGreaterThan(900);
  });
});
