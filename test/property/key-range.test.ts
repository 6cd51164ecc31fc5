import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  containsRange,
  isEmptyRange,
  type KeyRange,
  startsWith,
} from '../../src/etcd/key-range.ts';
import { type KeySpace, keySpace } from '../../src/etcd/key-space.ts';
import { contains, covers, toStored, visibleKey } from '../support/key-range-oracle.ts';

// Few distinct bytes, so that prefixes, neighbours and the edges 0x00 and 0xff meet often.
const byte = fc.constantFrom(0x00, 0x2f, 0x30, 0x61, 0x62, 0xfe, 0xff);
const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.array(byte, { minLength, maxLength }).map((values) => Uint8Array.from(values));
const key = bytes(1, 4);
const range: fc.Arbitrary<KeyRange> = fc.record({ key, end: bytes(0, 4) });
const space: fc.Arbitrary<KeySpace> = bytes(1, 4)
  .filter((namespace) => namespace.some((value) => value !== 0xff))
  .map((namespace) => keySpace(namespace));

const join = (prefix: Uint8Array, rest: Uint8Array): Uint8Array => Buffer.concat([prefix, rest]);

describe('mapping a range', () => {
  test('keeps what it contains', () => {
    fc.assert(
      fc.property(space, range, key, (into, visible, probe) => {
        const stored = toStored(into, visible);
        expect(contains(stored, join(into.prefix, probe))).toBe(contains(visible, probe));
      }),
    );
  });

  test('lets nothing in that is not the namespace’s', () => {
    fc.assert(
      fc.property(space, range, bytes(0, 6), (into, visible, raw) => {
        if (contains(toStored(into, visible), raw)) expect(startsWith(raw, into.prefix)).toBe(true);
      }),
    );
  });

  test('keeps the order of keys', () => {
    fc.assert(
      fc.property(space, key, key, (into, a, b) => {
        const stored = [a, b].map((k) => toStored(into, { key: k, end: new Uint8Array(0) }).key);
        expect(Buffer.compare(stored[0]!, stored[1]!)).toBe(Buffer.compare(a, b));
      }),
    );
  });

  test('keeps empty ranges empty, and others not', () => {
    fc.assert(
      fc.property(space, range, (into, visible) => {
        expect(isEmptyRange(toStored(into, visible))).toBe(isEmptyRange(visible));
      }),
    );
  });

  test('is undone by taking the prefix off', () => {
    fc.assert(
      fc.property(space, key, (into, visible) => {
        const stored = toStored(into, { key: visible, end: new Uint8Array(0) }).key;
        expect(Buffer.compare(visibleKey(into, stored)!, visible)).toBe(0);
      }),
    );
  });
});

test('one range covers another exactly when it contains all of its keys', () => {
  // All keys of up to three bytes over a small alphabet stand for all keys there are: the bounds are as short.
  const alphabet = [0x00, 0x61, 0xff];
  const keys = [1, 2, 3].flatMap((length) =>
    Array.from({ length: alphabet.length ** length }, (_, i) =>
      Uint8Array.from({ length }, (_, at) => alphabet[Math.floor(i / 3 ** at) % 3] as number),
    ),
  );
  const short = (minLength: number) =>
    fc
      .array(fc.constantFrom(...alphabet), { minLength, maxLength: 2 })
      .map((values) => Uint8Array.from(values));
  const ranges = fc.record({ key: short(1), end: short(0) });
  fc.assert(
    fc.property(ranges, ranges, (outer, inner) => {
      const isCovered = keys.every((k) => !contains(inner, k) || contains(outer, k));
      expect(covers(outer, inner)).toBe(isCovered);
    }),
    { numRuns: 1_000 },
  );
});

test('a range contains another one only if every key of it is inside', () => {
  fc.assert(
    fc.property(range, range, key, (outer, inner, probe) => {
      const isContained = containsRange(outer, inner);
      if (isContained) expect(covers(outer, inner)).toBe(true);
      if (isContained && contains(inner, probe)) expect(contains(outer, probe)).toBe(true);
      if (!isEmptyRange(inner) && inner.end.length === 0) {
        expect(isContained).toBe(contains(outer, inner.key));
      }
    }),
  );
});

test('a range contains itself, unless it is empty', () => {
  fc.assert(
    fc.property(range, (each) => {
      expect(containsRange(each, each)).toBe(!isEmptyRange(each));
    }),
  );
});
