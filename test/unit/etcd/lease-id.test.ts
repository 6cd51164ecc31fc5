import { expect, test } from 'vitest';
import { keySpace } from '../../../src/etcd/key-space.ts';
import { isVisibleId, visibleId, visibleIdMax } from '../../../src/etcd/lease-id.ts';
import { namedId } from '../../support/lease-id-oracle.ts';

const { leases } = keySpace(Buffer.from('t1/'));

test('a stored ID is positive and maps back to the visible one', () => {
  for (const visible of [1, 127, 128, visibleIdMax]) {
    const stored = leases.stored(visible);
    expect(stored).toBeGreaterThan(0n);
    expect(stored).toBeLessThan(2n ** 63n);
    expect(visibleId(leases, stored)).toBe(visible);
  }
});

test('an ID of another namespace is not visible', () => {
  expect(visibleId(leases, keySpace(Buffer.from('t2/')).leases.stored(5))).toBeNull();
});

test.each([0n, 1n, 5n, 2n ** 31n, 2n ** 32n, 2n ** 63n - 1n, -1n, -(2n ** 63n)])(
  'the ID %s, which no namespace has, is not visible',
  (id) => {
    expect(visibleId(leases, id)).toBeNull();
  },
);

test.each([0n, -1n, 2n ** 31n, 2n ** 63n - 1n, -(2n ** 63n)])(
  'the invalid visible ID %s names a lease that cannot exist',
  (id) => {
    expect(isVisibleId(id)).toBe(false);
    expect(namedId(leases, id)).toBe(leases.stored(0));
    expect(visibleId(leases, namedId(leases, id))).toBe(0);
  },
);
