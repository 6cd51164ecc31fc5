/** The stream table behaves like a Map for any sequence of additions and deletions. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Stream } from '../../src/http2/stream.ts';
import { StreamTable } from '../../src/http2/stream-table.ts';

const streamOf = (id: number) => ({ id }) as Stream;
/** Mostly small IDs, as peers open them in order, and some distant ones, as of long-lived streams. */
const id = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 40 }).map((n) => 2 * n + 1) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 30 - 1 }).map((n) => 2 * n + 1) },
  // IDs that an attacker could choose to cause collisions.
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 13 - 1 }).map((n) => 2 ** 18 * n + 1) },
);
const step = fc.record({ opens: fc.boolean(), id });

test('the table holds the streams that were added and not deleted', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const table = new StreamTable();
      const model = new Map<number, Stream>();
      for (const { opens, id } of steps) {
        if (opens && !model.has(id)) {
          const stream = streamOf(id);
          model.set(id, stream);
          table.add(stream);
        } else if (!opens) {
          model.delete(id);
          table.delete(id);
        }
        expect(table.size).toBe(model.size);
        expect(table.get(id)).toBe(model.get(id));
      }
      for (const stream of model.values()) expect(table.get(stream.id)).toBe(stream);
      expect(new Set(table.values())).toEqual(new Set(model.values()));
      table.clear();
      expect([table.size, table.values()]).toEqual([0, []]);
    }),
    { numRuns: 500 },
  );
});

test('the table works after a hundred thousand streams were added and deleted', () => {
  const table = new StreamTable();
  const ids = Array.from({ length: 100_000 }, (_, i) => 2 * i + 1);
  for (const each of ids) table.add(streamOf(each));
  for (const each of ids) table.delete(each);
  expect(table.size).toBe(0);
  table.add(streamOf(200_001));
  expect(table.values()).toEqual([streamOf(200_001)]);
});
