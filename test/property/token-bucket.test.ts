/** The law of a token bucket, with any calls at any times, also while rate and burst change. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../src/runtime/token-bucket.ts';

/** Rounding of times and rates to doubles. */
const rounding = 1e-6;

function take(bucket: TokenBucket, perSecond: number, burst: number, nowMs: number): boolean {
  const has = bucket.has(perSecond, burst, nowMs);
  if (has) bucket.take();
  return has;
}

const rate = fc.double({ min: 0.01, max: 100_000, noNaN: true });
const burst = fc.integer({ min: 1, max: 1_000 });
/** Milliseconds between calls. */
const gaps = fc.array(
  fc.oneof(fc.constant(0), fc.double({ min: 0, max: 5_000, noNaN: true }), fc.nat(3)),
  { maxLength: 200 },
);

describe('a token bucket', () => {
  test('lets at most the burst and the rate times the length of any interval pass', () => {
    fc.assert(
      fc.property(rate, burst, gaps, fc.nat(1_000_000), (perSecond, size, between, startMs) => {
        const bucket = new TokenBucket();
        const passed: number[] = [];
        let nowMs = startMs;
        for (const gap of between) {
          nowMs += gap;
          if (take(bucket, perSecond, size, nowMs)) passed.push(nowMs);
        }
        for (const [first, from] of passed.entries()) {
          for (let last = first; last < passed.length; last++) {
            const lengthMs = (passed[last] ?? 0) - from;
            const allowed = size + (lengthMs * perSecond) / 1_000;
            expect(last - first + 1).toBeLessThanOrEqual(allowed + rounding);
          }
        }
      }),
    );
  });

  test('lets a client pass that keeps to the rate', () => {
    fc.assert(
      fc.property(rate, burst, fc.nat(300), (perSecond, size, calls) => {
        const bucket = new TokenBucket();
        // Later by a millionth than the rate, against rounding.
        const gapMs = (1_000 / perSecond) * 1.000_001;
        for (let i = 0; i < calls; i++) expect(take(bucket, perSecond, size, i * gapMs)).toBe(true);
      }),
    );
  });

  test('never passes more than the newest burst at once, however rate and burst change', () => {
    const change = fc.record({ perSecond: rate, size: burst, gapMs: fc.nat(10_000) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const bucket = new TokenBucket();
        let nowMs = 0;
        for (const { perSecond, size, gapMs } of changes) {
          nowMs += gapMs;
          let passed = 0;
          while (passed <= size && take(bucket, perSecond, size, nowMs)) passed += 1;
          expect(passed).toBeLessThanOrEqual(size);
        }
      }),
    );
  });

  test('keeps what it contains when the rate changes', () => {
    const bucket = new TokenBucket();
    for (let i = 0; i < 8; i++) expect(take(bucket, 1, 10, 0)).toBe(true);
    const passed = Array.from({ length: 5 }, () => take(bucket, 1_000, 10, 0));
    expect(passed).toEqual([true, true, false, false, false]);
  });

  test('without a rate is never empty, and is full when it gets one', () => {
    const bucket = new TokenBucket();
    for (let i = 0; i < 100; i++) {
      expect(take(bucket, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 0)).toBe(true);
    }
    expect([1, 2, 3].map(() => take(bucket, 1, 2, 0))).toEqual([true, true, false]);
  });

  test('neither gains nor loses anything when a clock steps back', () => {
    const bucket = new TokenBucket();
    const times = [5_000, 4_000, 4_000, 5_500, 6_000];
    const passed = times.map((nowMs) => take(bucket, 1, 2, nowMs));
    expect(passed).toEqual([true, true, false, false, true]);
  });
});
