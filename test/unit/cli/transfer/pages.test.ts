/** The number of keys per page follows their size. */
import { expect, test } from 'vitest';
import { PageSize } from '../../../../src/cli/transfer/pages.ts';

const page = (keys: number, bytes: number) => ({
  keyValues: { length: keys } as never,
  encoded: new Uint8Array(keys * bytes),
});

test('pages of small keys grow to a bound, step by step', () => {
  const size = new PageSize();
  const keys = [size.keys];
  for (let i = 0; i < 4; i += 1) {
    size.onPage(page(size.keys, 50));
    keys.push(size.keys);
  }
  expect(keys).toEqual([100, 800, 6_400, 10_000, 10_000]);
});

test('pages of large keys shrink to a few MiB, and to one key at least', () => {
  const size = new PageSize();
  size.onPage(page(100, 10_000));
  expect(size.keys).toBe(209);
  size.onPage(page(2, 8 << 20));
  expect(size.keys).toBe(1);
});

test('a page that is too long is read again with fewer keys, until it has one', () => {
  const size = new PageSize();
  const keys = [];
  while (size.shrink()) keys.push(size.keys);
  expect(keys).toEqual([12, 1]);
});
