import { describe, expect, test } from 'vitest';
import { keysOnlyLeases, ordersProgress } from '../../../src/etcd/releases.ts';

test.each([
  ['3.4.24', false],
  ['3.4.25', true],
  ['3.5.7', false],
  ['3.5.8', true],
  ['3.6.0', true],
  ['3.3.99', false],
  ['4.0.0', false],
  ['', false],
])('progress responses of %s are ordered: %s', (version, isOrdered) => {
  expect(ordersProgress(version)).toBe(isOrdered);
});

describe('leases of a range with keys only', () => {
  const of = (...versions: readonly string[]) => keysOnlyLeases((test) => versions.every(test));

  test.each([
    [['3.4.23', '3.6.16'], true],
    [['3.7.0', '3.8.1'], false],
    [['3.6.16', '3.7.3'], null],
    [['3.6.16', ''], null],
    [['3.7.3', ''], null],
  ] as const)('of members with %j: %s', (versions, leases) => {
    expect(of(...versions)).toBe(leases);
  });
});
