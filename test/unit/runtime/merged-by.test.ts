import { expect, test } from 'vitest';
import { mergedBy } from '../../../src/runtime/merged-by.ts';

test('rows with the same key are combined in turn, in the order of the first of each', () => {
  const merged = mergedBy(
    ['b1', 'a1', 'b2', 'b3'],
    ([key = '']) => key,
    (one, other) => `${one}+${other}`,
  );
  expect(merged).toEqual(['b1+b2+b3', 'a1']);
});
