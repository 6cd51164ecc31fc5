import { expect, test } from 'vitest';
import { isVisibleId, storedId, visibleId, visibleIdMax } from '../../../src/etcd/lease-id.ts';
import { comparedId, namedId } from '../../support/lease-id-oracle.ts';

const tag = 0xfedc_ba98;
const max = BigInt(visibleIdMax);

test('a stored ID is positive and maps back to the visible one', () => {
  expect(storedId(tag, 1)).toBe(0xfedc_ba98n * 2n ** 31n + 1n);
  for (const visible of [1, 127, 128, visibleIdMax]) {
    const stored = storedId(tag, visible);
    expect(stored).toBeGreaterThan(0n);
    expect(stored).toBeLessThan(2n ** 63n);
    expect(visibleId(tag, stored)).toBe(visible);
  }
});

test('an ID with another tag is not visible', () => {
  expect(visibleId(tag, storedId(tag + 1, 5))).toBeNull();
  expect(visibleId(tag, 5n)).toBeNull();
  expect(visibleId(tag, -1n)).toBeNull();
});

test.each([0n, -1n, 2n ** 31n, 2n ** 63n - 1n, -(2n ** 63n)])(
  'the invalid visible ID %s names a lease that cannot exist',
  (id) => {
    expect(isVisibleId(id)).toBe(false);
    expect(namedId(tag, id)).toBe(storedId(tag, 0));
    expect(visibleId(tag, namedId(tag, id))).toBe(0);
  },
);

test('compared IDs keep their order over the whole int64 range', () => {
  const operands = [0n, 1n, 2n, max - 1n, max, max + 1n].map((id) => comparedId(tag, id));
  expect(operands.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(operands);
  expect(new Set(operands).size).toBe(operands.length);
  expect(comparedId(tag, -7n)).toBe(-7n);
  expect(comparedId(tag, 2n ** 63n - 1n)).toBe(storedId(tag, visibleIdMax) + 1n);
});
