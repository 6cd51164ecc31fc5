import { describe, expect, test } from 'vitest';
import { Writer } from '../../../src/protobuf/writer.ts';
import { KeptLeases } from '../../../src/tenant/kept-leases.ts';

function keepAlive(id: number): Uint8Array {
  return new Writer().varint(1, id).finish();
}

describe('kept leases', () => {
  test.each([
    [0, 0],
    [1, 0],
    [3, 0],
    [50, 0.1],
    [1_000, 0.15],
    [20_000, 0.15],
    [300_000, 0.15],
  ])('of %d clients are counted, each of them once', (leases, error) => {
    const kept = new KeptLeases();
    for (let renewal = 0; renewal < 2; renewal++) {
      // Visible lease IDs are random.
      for (let i = 0; i < leases; i++) {
        kept.requested(keepAlive((Math.imul(i + 1, 0x9e3779b1) >>> 1) + 1), 0);
      }
    }
    expect(Math.abs(kept.count(0) - leases)).toBeLessThanOrEqual(error * leases);
  });

  test('with neighbouring IDs are told apart', () => {
    const kept = new KeptLeases();
    for (let id = 1; id <= 2_000; id++) kept.requested(keepAlive(id), 0);
    expect(kept.count(0)).toBeGreaterThan(1_700);
    expect(kept.count(0)).toBeLessThan(2_300);
  });

  test('are forgotten one to two minutes after their last keepalive', () => {
    const kept = new KeptLeases();
    kept.requested(keepAlive(1), 0);
    kept.requested(keepAlive(2), 0);
    kept.requested(keepAlive(1), 61_000);
    expect(kept.count(62_000)).toBe(2);
    expect(kept.count(120_000)).toBe(1);
    expect(kept.count(180_001)).toBe(0);
    kept.requested(keepAlive(3), 900_000);
    expect(kept.count(900_000)).toBe(1);
  });
});
