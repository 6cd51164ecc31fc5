import { expect, test } from 'vitest';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import { ReadSizes, returnsKeyValues } from '../../../src/guard/read-sizes.ts';
import { TenantState } from '../../../src/tenant/state.ts';

const mib = 1 << 20;
const range = 'etcdserverpb.KV/Range';

function setUp() {
  const sizes = new ReadSizes({ integer: () => 12_345 });
  const tenants = { a: new TenantState('a'), b: new TenantState('b') };
  let nowMs = 1_000_000;
  return {
    wait: (ms: number) => {
      nowMs += ms;
    },
    weightOf: (request: Uint8Array, name: MethodName = range, tenant: 'a' | 'b' = 'a') =>
      sizes.weightOf(tenants[tenant], method(name), request, nowMs),
    knows: () => sizes.knows(tenants.a),
    learn: (request: Uint8Array, bytes: number, name: MethodName = range) =>
      sizes.learn(tenants.a, method(name), request, bytes, nowMs),
  };
}

/** All keys from `key` on. */
function from(key: string): Uint8Array {
  return Buffer.concat([single(key), Buffer.from([0x12, 1, 0])]);
}

function single(key: string): Uint8Array {
  return Buffer.concat([Buffer.from([0x0a, key.length]), Buffer.from(key)]);
}

test('the methods whose responses contain ranges are known', () => {
  expect(returnsKeyValues(method(range))).toBe(true);
  expect(returnsKeyValues(method('etcdserverpb.KV/Txn'))).toBe(true);
  expect(returnsKeyValues(method('etcdserverpb.KV/DeleteRange'))).toBe(true);
  expect(returnsKeyValues(method('etcdserverpb.KV/Put'))).toBe(false);
});

test('until the first range has ended, a range weighs 1 MiB and enters alone', () => {
  const { weightOf, learn, knows } = setUp();
  expect(knows()).toBe(false);
  expect(weightOf(from('x'))).toBe(mib);
  learn(from('x'), 100);
  expect(knows()).toBe(true);
  expect([weightOf(from('x')), weightOf(from('y'))]).toEqual([0, 0]);
});

test('a read of a single key weighs nothing until its response was large', () => {
  const { weightOf, learn } = setUp();
  expect(weightOf(single('x'))).toBe(0);
  learn(single('x'), mib);
  expect([weightOf(single('x')), weightOf(single('y'))]).toEqual([mib, 0]);
});

test('the response to a single key says nothing about the ranges of a tenant', () => {
  const { weightOf, learn, knows } = setUp();
  learn(single('x'), 100);
  expect(knows()).toBe(false);
  expect(weightOf(from('y'))).toBe(mib);
});

test('a request weighs what its last response had', () => {
  const { weightOf, learn } = setUp();
  learn(from('x'), 30 * mib);
  expect(weightOf(from('x'))).toBe(30 * mib);
  learn(from('x'), 2 * mib);
  expect(weightOf(from('x'))).toBe(2 * mib);
  learn(from('x'), 100);
  expect(weightOf(from('x'))).toBe(0);
});

test('transactions and deletes with large responses weigh as much when they are repeated', () => {
  const { weightOf, learn } = setUp();
  for (const name of ['etcdserverpb.KV/Txn', 'etcdserverpb.KV/DeleteRange'] as const) {
    const request = Buffer.from(name);
    expect(weightOf(request, name)).toBe(0);
    learn(request, 5 * mib, name);
    expect(weightOf(request, name)).toBe(5 * mib);
  }
});

test('a range that is not known weighs as much as the largest response, half of it after a minute', () => {
  const { weightOf, learn, wait } = setUp();
  learn(from('x'), 100 * mib);
  learn(from('y'), 10);
  expect(weightOf(from('z'))).toBe(100 * mib);
  wait(60_000);
  expect(weightOf(from('z'))).toBe(50 * mib);
  wait(3_600_000);
  expect(weightOf(from('z'))).toBe(4 * mib);
});

test.each([
  [
    'after a long key',
    Buffer.concat([Buffer.from([0x0a, 0x80, 1]), Buffer.alloc(128), Buffer.from([0x12, 1, 0])]),
    true,
  ],
  ['after other fields', Buffer.from([0x0a, 1, 97, 0x18, 5, 0x12, 1, 0]), true],
  ['before the key', Buffer.from([0x12, 1, 0, 0x0a, 1, 97]), true],
  ['nowhere: a limit', Buffer.from([0x0a, 1, 97, 0x18, 5]), false],
  [
    'nowhere: a long key',
    Buffer.concat([Buffer.from([0x0a, 0x80, 1]), Buffer.alloc(128, 0x12)]),
    false,
  ],
  ['nowhere: no key', Buffer.alloc(0), false],
])('the end of a range is found %s', (_, request, isRange) => {
  const { weightOf } = setUp();
  expect(weightOf(request)).toBe(isRange ? mib : 0);
});

test('tenants do not affect one another', () => {
  const { weightOf, learn } = setUp();
  learn(from('x'), 100 * mib);
  expect(weightOf(from('x'), range, 'b')).toBe(mib);
});

test('a bounded number of requests is remembered', () => {
  const { weightOf, learn } = setUp();
  learn(from('first'), 70_000);
  for (let i = 0; i < 256; i++) learn(from(`k${i}`), 80_000);
  // It is as heavy as an unknown range again.
  expect(weightOf(from('first'))).toBe(80_000);
  expect(weightOf(from('k255'))).toBe(80_000);
  learn(from('k255'), 70_000);
  expect(weightOf(from('k255'))).toBe(70_000);
});
