import { expect, test } from 'vitest';
import { storedId } from '../../../src/etcd/lease-id.ts';
import { storedLeaseBytes, writeStoredLease } from '../../../src/rewrite/lease-varint.ts';
import { slowVarint } from '../../support/slow-rewriter.ts';

const edges = [0, 1, 2, 31].flatMap((bits) => [2 ** bits - 1, 2 ** bits]);
const tags = Array.from({ length: 32 }, (_, bit) => [2 ** bit, 2 ** (bit + 1) - 1]).flat();

test('the varint of two halves equals the varint of the stored ID', () => {
  for (const tag of tags) {
    for (const visible of edges.filter((edge) => edge < 2 ** 31)) {
      const target = new Uint8Array(12).fill(0xee);
      const end = writeStoredLease(target, 1, tag, visible);
      expect(target.subarray(1, end)).toEqual(slowVarint(storedId(tag, visible)));
      expect(end - 1).toBe(storedLeaseBytes(tag));
      expect(target[end]).toBe(0xee);
    }
  }
});
