import { expect, test } from 'vitest';
import { LeaseVarint } from '../../../src/rewrite/lease-varint.ts';
import { slowVarint } from '../../support/slow-rewriter.ts';

test('the halves of a varint are those of its number', () => {
  const varint = new LeaseVarint();
  for (let bit = 0n; bit < 64n; bit++) {
    for (const value of [2n ** bit, 2n ** (bit + 1n) - 1n, 2n ** 64n - 2n ** bit]) {
      const bytes = slowVarint(value);
      expect(varint.read(bytes, 0, bytes.length)).toBe(true);
      expect((BigInt(varint.high) << 32n) | BigInt(varint.low)).toBe(value);
      expect(varint.end).toBe(bytes.length);
      expect(varint.isNegative).toBe(value >= 2n ** 63n);
      expect(varint.isVisible).toBe(value > 0n && value < 2n ** 31n);
    }
  }
});

test.each([
  ['that is cut off', [0x80]],
  ['of more than 64 bits', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]],
  ['of eleven bytes', [...Array.from({ length: 10 }, () => 0x80), 0]],
])('a varint %s is not read', (_what, bytes) => {
  expect(new LeaseVarint().read(Uint8Array.from(bytes), 0, bytes.length)).toBe(false);
});
