import { describe, expect, test } from 'vitest';
import { isEmptyRange, type KeyRange } from '../../../src/etcd/key-range.ts';
import { keySpace } from '../../../src/etcd/key-space.ts';
import { contains, covers, toStored, visibleKey } from '../../support/key-range-oracle.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const range = (key: string, end = ''): KeyRange => ({ key: latin1(key), end: latin1(end) });
const texts = (r: KeyRange): string[] =>
  [r.key, r.end].map((bytes) => Buffer.from(bytes).toString('latin1'));

describe('a range as the client sends it, and as etcd receives it', () => {
  test.each([
    ['a single key', 't1/', 'a', '', 't1/a', ''],
    ['an interval', 't1/', 'a', 'b', 't1/a', 't1/b'],
    ['all keys from a key on', 't1/', 'a', '\0', 't1/a', 't10'],
    ['the whole namespace', 't1/', '\0', '\0', 't1/\0', 't10'],
    ['an ordinary bound of two zero bytes', 't1/', 'a', '\0\0', 't1/a', 't1/\0\0'],
    ['a reversed interval', 't1/', 'b', 'a', 't1/b', 't1/a'],
    ['a prefix that ends in 0xff', 't1/', 'foo\xff', 'fop', 't1/foo\xff', 't1/fop'],
    ['the prefix 0xff', 't1/', '\xff', '\0', 't1/\xff', 't10'],
    ['a namespace that ends in 0xff', 'a\xff', 'k', '\0', 'a\xffk', 'b'],
    ['no namespace', '', 'a', '\0', 'a', '\0'],
  ])('%s', (_, namespace, key, end, storedKey, storedEnd) => {
    const stored = toStored(keySpace(latin1(namespace)), range(key, end));
    expect(texts(stored)).toEqual([storedKey, storedEnd]);
  });

  test('a stored key loses the prefix; a key without the prefix is not visible', () => {
    const space = keySpace(latin1('t1/'));
    expect(visibleKey(space, latin1('t1/a'))).toEqual(latin1('a'));
    expect(visibleKey(space, latin1('t10'))).toBeNull();
    expect(visibleKey(space, latin1('t1'))).toBeNull();
  });
});

describe('ranges', () => {
  test('are empty if their end is not after their key', () => {
    expect(isEmptyRange(range('a', 'a'))).toBe(true);
    expect(isEmptyRange(range('b', 'a'))).toBe(true);
    expect(isEmptyRange(range('a', '\0\0'))).toBe(true);
    expect(isEmptyRange(range('a'))).toBe(false);
    expect(isEmptyRange(range('a', '\0'))).toBe(false);
    expect(isEmptyRange(range('a', 'b'))).toBe(false);
  });

  test('include their key and exclude their end', () => {
    expect(contains(range('a', 'c'), latin1('a'))).toBe(true);
    expect(contains(range('a', 'c'), latin1('b\xff'))).toBe(true);
    expect(contains(range('a', 'c'), latin1('c'))).toBe(false);
    expect(contains(range('a'), latin1('a'))).toBe(true);
    expect(contains(range('a'), latin1('a\0'))).toBe(false);
    expect(contains(range('a', '\0'), latin1('\xff'))).toBe(true);
    expect(contains(range('a', '\0'), latin1('A'))).toBe(false);
  });

  test.each([
    [range('a', 'd'), range('b', 'c'), true],
    [range('a', 'd'), range('a', 'd'), true],
    [range('a', 'd'), range('b', 'e'), false],
    [range('b', 'd'), range('a', 'c'), false],
    [range('a', 'd'), range('d'), false],
    [range('a', 'd'), range('c'), true],
    [range('a', 'd'), range('b', '\0'), false],
    [range('a', '\0'), range('b', '\0'), true],
    [range('a', '\0'), range('b', 'c'), true],
    [range('a'), range('a'), true],
    [range('a'), range('a', 'a\0'), true],
    [range('a'), range('a', 'b'), false],
    [range('a'), range('z', 'y'), true],
  ])('cover another range if they contain all of its keys: %#', (outer, inner, expected) => {
    expect(covers(outer, inner)).toBe(expected);
  });
});
