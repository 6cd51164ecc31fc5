/** Where the bytes of a history are, and what is merged without a copy. */
import { describe, expect, test } from 'vitest';
import { type Batch, chunksOf } from '../../../../src/watch/hub/batch.ts';
import { BatchMemory } from '../../../../src/watch/hub/batch-memory.ts';

const batch = (revision: number, bytes: number, pool?: Uint8Array): Batch => {
  const events = pool === undefined ? new Uint8Array(bytes) : pool.subarray(0, bytes);
  events.fill(revision);
  return { revision, header: Uint8Array.of(revision), events, count: 1, block: null, offset: 0 };
};

/** Stores batches that arrived one by one. */
function stored(bytes: number, count: number, historyBytes = 1 << 20): readonly Batch[] {
  const memory = new BatchMemory();
  return Array.from({ length: count }, (_, i) => i + 1).flatMap((revision) => [
    ...memory.store([batch(revision, bytes)], historyBytes),
  ]);
}

describe('small batches', () => {
  test('that arrived one by one are merged without a copy', () => {
    const batches = stored(100, 10);
    const [chunk, ...others] = chunksOf(batches);
    expect(others).toEqual([]);
    expect(chunk?.events.buffer).toBe(batches[0]?.events.buffer);
    const expected = batches.flatMap(({ events }) => [...events]);
    expect([...(chunk?.events ?? [])]).toEqual(expected);
    expect([chunk?.revision, chunk?.count, chunk?.header]).toEqual([10, 10, Uint8Array.of(10)]);
  });

  test('of one response have one header in memory', () => {
    const header = Uint8Array.of(1, 2, 3);
    const [first, second] = new BatchMemory().store(
      [
        { ...batch(1, 10), header },
        { ...batch(2, 10), header },
      ],
      0,
    );
    expect(first?.header).toBe(second?.header);
    header.fill(9);
    expect(first?.header).toEqual(Uint8Array.of(1, 2, 3));
  });

  test('keep little more than their bytes', () => {
    const batches = stored(100, 200, 0);
    const memory = new Set(batches.map(({ events }) => events.buffer));
    const bytes = [...memory].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes).toBeLessThan(25_000);
  });

  test('in several blocks are merged into few chunks, with nothing lost', () => {
    const batches = stored(1_000, 200);
    const chunks = chunksOf(batches);
    expect(chunks.length).toBeLessThan(8);
    const expected = Buffer.concat(batches.map(({ events }) => events));
    expect(Buffer.concat(chunks.map(({ events }) => events)).equals(expected)).toBe(true);
    expect(chunks.at(-1)?.revision).toBe(200);
    expect(chunks.reduce((sum, { count }) => sum + count, 0)).toBe(200);
  });
});

describe('a large batch', () => {
  test('is not copied if it is most of what it keeps alive', () => {
    const large = batch(1, 100_000);
    const [kept] = new BatchMemory().store([large], 0);
    expect(kept?.events).toBe(large.events);
  });

  test('is copied out of memory that is much larger', () => {
    const [kept] = new BatchMemory().store([batch(1, 20_000, new Uint8Array(1 << 20))], 0);
    expect(kept?.events.buffer.byteLength).toBe(20_000);
  });
});
