import { describe, expect, test } from 'vitest';
import { allocateMemory, largeBytesMin, releaseMemory } from '../../../src/runtime/large-memory.ts';

/** Whether memory that begins with `marker` is allocated again. Other spare memory may come first. */
function isRecycled(bytes: number, marker: number): boolean {
  return Array.from({ length: 50 }, () => allocateMemory(bytes)).some((each) => each[0] === marker);
}

describe('large memory', () => {
  test('is recycled after its release, and views of it are empty', () => {
    const first = allocateMemory(1_000_000);
    const view = first.subarray(10, 20);
    first[0] = 123;
    releaseMemory(first);
    expect([first.length, view.length]).toEqual([0, 0]);
    expect(isRecycled(900_000, 123)).toBe(true);
  });

  test('has the requested length, even if it is recycled from longer memory', () => {
    releaseMemory(allocateMemory(2_000_000));
    expect(allocateMemory(1_500_000).length).toBe(1_500_000);
  });

  test('is released as a whole by the owner of any part of it', () => {
    const memory = allocateMemory(1_000_000);
    memory[0] = 89;
    releaseMemory(memory.subarray(5, 500_000));
    expect(memory.length).toBe(0);
    expect(isRecycled(1_000_000, 89)).toBe(true);
  });

  test('is not wasted on much smaller requests', () => {
    const large = allocateMemory(8_000_000);
    large[0] = 45;
    releaseMemory(large);
    expect(isRecycled(largeBytesMin, 45)).toBe(false);
  });

  test('is kept up to a limit, and freed beyond it', () => {
    const all = Array.from({ length: 10 }, () => allocateMemory(4_000_000));
    for (const each of all) each[0] = 67;
    for (const each of all) releaseMemory(each);
    expect(all.every((each) => each.length === 0)).toBe(true);
    const again = Array.from({ length: 10 }, () => allocateMemory(4_000_000));
    expect(again.filter((each) => each[0] === 67).length).toBeLessThanOrEqual(4);
  });

  test('that is recycled can be released again', () => {
    const first = allocateMemory(3_000_000);
    releaseMemory(first);
    const second = allocateMemory(3_000_000);
    releaseMemory(second);
    expect([first.length, second.length]).toEqual([0, 0]);
  });
});

test.each([
  ['small memory', () => allocateMemory(largeBytesMin - 1)],
  ['a large Buffer', () => Buffer.alloc(1_000_000)],
  ['a large Buffer outside of the pool', () => Buffer.allocUnsafeSlow(largeBytesMin)],
  ['a large Uint8Array', () => new Uint8Array(1_000_000)],
  ['shared memory', () => new Uint8Array(new SharedArrayBuffer(1_000_000))],
  ['no bytes', () => Buffer.alloc(0)],
])('releasing %s does nothing', (_, make) => {
  const bytes = make();
  const { length } = bytes;
  releaseMemory(bytes);
  expect(bytes.length).toBe(length);
});
