/** The bounds that the sketch of busy keys promises, for any stream of weighted keys. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SpaceSaving } from '../../src/observe/advice/space-saving.ts';

const countersMax = 8;
/** Few keys are frequent and many are rare, so that counters change hands often. */
const stream = fc.array(
  fc.record({
    key: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 60 })),
    weight: fc.integer({ min: 1, max: 50 }),
  }),
  { maxLength: 400 },
);

function counted(additions: readonly { readonly key: number; readonly weight: number }[]) {
  const sketch = new SpaceSaving(countersMax);
  const exact = new Map<string, number>();
  let total = 0;
  for (const { key, weight } of additions) {
    const name = `key-${key}`;
    sketch.add(name, weight, weight * 10);
    exact.set(name, (exact.get(name) ?? 0) + weight);
    total += weight;
  }
  return { sketch, exact, total };
}

test('a count is never too low, and too high by at most its error, which is at most n / k', () => {
  fc.assert(
    fc.property(stream, (additions) => {
      const { sketch, exact, total } = counted(additions);
      for (const { key, count, error, bytes } of sketch.counters) {
        const real = exact.get(key) ?? 0;
        expect(count).toBeGreaterThanOrEqual(real);
        expect(count - error).toBeLessThanOrEqual(real);
        expect(error).toBeLessThanOrEqual(total / countersMax);
        expect(bytes).toBeLessThanOrEqual(real * 10);
      }
    }),
    { numRuns: 500 },
  );
});

test('every key with more than n / k has a counter, and there are never more than k', () => {
  fc.assert(
    fc.property(stream, (additions) => {
      const { sketch, exact, total } = counted(additions);
      const keys = sketch.counters.map(({ key }) => key);
      expect(keys.length).toBeLessThanOrEqual(countersMax);
      for (const [key, count] of exact) {
        if (count > total / countersMax) expect(keys).toContain(key);
      }
    }),
    { numRuns: 500 },
  );
});

test('the bounds hold for what is left after counts have faded', () => {
  const factor = 0.5;
  fc.assert(
    fc.property(stream, stream, (before, after) => {
      const sketch = new SpaceSaving(countersMax);
      const exact = new Map<string, number>();
      for (const [additions, scale] of [
        [before, factor],
        [after, 1],
      ] as const) {
        for (const { key, weight } of additions) {
          sketch.add(`${key}`, weight);
          exact.set(`${key}`, (exact.get(`${key}`) ?? 0) + weight * scale);
        }
        if (additions === before) sketch.decay(factor);
      }
      // A counter that has faded below a half is removed, which may take at most that from a count.
      for (const { key, count, error } of sketch.counters) {
        expect(count).toBeGreaterThanOrEqual((exact.get(key) ?? 0) - 0.5 * countersMax);
        expect(count - error).toBeLessThanOrEqual((exact.get(key) ?? 0) + 1e-9);
      }
    }),
  );
});
