/** The conditions of KV.Txn: every target with every result, on keys, absent keys and ranges. */
import { expect, test } from 'vitest';
import type { Compare } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, expectRefusal, type Keys, useWorld, zero } from './world.ts';

const results = ['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL'] as const;

/** Whether "what is there, compared with an operand that is less, equal or greater" holds. */
const holds = {
  EQUAL: { less: false, equal: true, greater: false },
  GREATER: { less: true, equal: false, greater: false },
  LESS: { less: false, equal: false, greater: true },
  NOT_EQUAL: { less: true, equal: false, greater: true },
} as const;

const operands = ['less', 'equal', 'greater'] as const;

export function txnCompareSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  async function succeeds(...compare: Compare[]): Promise<boolean> {
    const { succeeded } = await world.txn({ compare });
    return succeeded;
  }

  /** Three operands around what `key` holds. The key has version 2, value m and lease 500000. */
  async function operandsOf(key: Buffer, target: Compare['target']): Promise<Compare[]> {
    const { kvs } = await world.range({ key });
    const around = (middle: string | undefined) => [-1, 0, 1].map((d) => Number(middle) + d);
    if (target === 'VERSION') return around(kvs[0]?.version).map((version) => ({ version }));
    if (target === 'CREATE')
      return around(kvs[0]?.create_revision).map((create_revision) => ({ create_revision }));
    if (target === 'MOD')
      return around(kvs[0]?.mod_revision).map((mod_revision) => ({ mod_revision }));
    if (target === 'LEASE') return around(kvs[0]?.lease).map((lease) => ({ lease }));
    return ['l', 'm', 'n'].map((value) => ({ value: bytes(value) }));
  }

  async function twiceWritten(k: Keys, ...keyNames: string[]): Promise<void> {
    const known = await world.client.call('etcdserverpb.Lease/LeaseTimeToLive', { ID: 500_000 });
    if (known.TTL === '-1') await world.grant(600, 500_000);
    for (const name of keyNames) {
      await world.put(k(name), 'first');
      await world.put(k(name), 'm', { lease: 500_000 });
    }
  }

  for (const target of ['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE'] as const) {
    for (const result of results) {
      test(`${target} ${result}`, async () => {
        const k = world.keys();
        await twiceWritten(k, 'a');
        const union = await operandsOf(k('a'), target);
        for (const [i, operand] of operands.entries()) {
          const compare = { key: k('a'), target, result, ...union[i] };
          await expect(succeeds(compare)).resolves.toBe(holds[result][operand]);
        }
      });

      test(`${target} ${result} on a range of one key`, async () => {
        const k = world.keys();
        await twiceWritten(k, 'a');
        const union = await operandsOf(k('a'), target);
        for (const [i, operand] of operands.entries()) {
          const compare = { ...k.all, target, result, ...union[i] };
          await expect(succeeds(compare)).resolves.toBe(holds[result][operand]);
        }
      });
    }
  }

  for (const target of ['VERSION', 'CREATE', 'MOD', 'LEASE'] as const) {
    test(`${target} of a key that does not exist is zero`, async () => {
      const key = world.keys()('absent');
      await expect(succeeds({ key, target, result: 'EQUAL' })).resolves.toBe(true);
      await expect(succeeds({ key, target, result: 'NOT_EQUAL' })).resolves.toBe(false);
      await expect(succeeds({ key, target, result: 'GREATER' })).resolves.toBe(false);
    });
  }

  test('no condition on the value of a key that does not exist holds', async () => {
    const key = world.keys()('absent');
    for (const result of results) {
      for (const value of ['', 'v']) {
        const compare: Compare = { key, target: 'VALUE', result, value: bytes(value) };
        await expect(succeeds(compare)).resolves.toBe(false);
      }
    }
  });

  test('a condition on a range has to hold for each of its keys', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'b');
    const older: Compare = { ...k.all, target: 'VERSION', result: 'LESS', version: 3 };
    await expect(succeeds(older)).resolves.toBe(true);
    await expect(succeeds({ ...older, version: 2 })).resolves.toBe(false);
  });

  test('a condition on a range leaves out its end', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'b');
    const once: Compare = { target: 'VERSION', result: 'EQUAL', version: 1 };
    await expect(succeeds({ ...once, key: k('a'), range_end: k('b') })).resolves.toBe(true);
    await expect(succeeds({ ...once, key: k('a'), range_end: k('c') })).resolves.toBe(false);
  });

  test('a condition from a key on reaches to the end of the key space and no further', async () => {
    await world.empty();
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    const once: Compare = { target: 'VERSION', result: 'EQUAL', version: 1 };
    await expect(succeeds({ ...once, key: k('a'), range_end: zero })).resolves.toBe(true);
    await world.fill(k, 'b');
    await expect(succeeds({ ...once, key: k('a'), range_end: zero })).resolves.toBe(false);
    await expect(succeeds({ ...once, key: zero, range_end: zero })).resolves.toBe(false);
  });

  test('a condition on a range without keys is one on a key that does not exist', async () => {
    const k = world.keys();
    const absent: Compare = { ...k.all, target: 'CREATE', result: 'EQUAL', create_revision: 0 };
    await expect(succeeds(absent)).resolves.toBe(true);
    await expect(succeeds({ ...absent, result: 'GREATER' })).resolves.toBe(false);
  });

  test('a range of which some keys carry the lease and some none', async () => {
    const k = world.keys();
    await twiceWritten(k, 'a');
    await world.fill(k, 'b');
    const range = { ...k.all, target: 'LEASE', lease: 500_000 } as const;
    await expect(succeeds({ ...range, result: 'EQUAL' })).resolves.toBe(false);
    await expect(succeeds({ ...range, result: 'LESS' })).resolves.toBe(false);
    await expect(succeeds({ ...range, result: 'LESS', lease: 500_001 })).resolves.toBe(true);
  });

  test('a lease beyond 31 bits compares as the greater one, a negative one as the less', async () => {
    const k = world.keys();
    await twiceWritten(k, 'a');
    const compare = { key: k('a'), target: 'LEASE' } as const;
    for (const lease of ['2147483648', '9223372036854775807']) {
      await expect(succeeds({ ...compare, result: 'LESS', lease })).resolves.toBe(true);
      await expect(succeeds({ ...compare, result: 'EQUAL', lease })).resolves.toBe(false);
    }
    await expect(succeeds({ ...compare, result: 'GREATER', lease: -1 })).resolves.toBe(true);
  });

  test('all conditions have to hold', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    const exists = (name: string): Compare => ({
      key: k(name),
      target: 'VERSION',
      result: 'GREATER',
      version: 0,
    });
    await expect(succeeds(exists('a'), exists('b'))).resolves.toBe(true);
    await expect(succeeds(exists('a'), exists('absent'))).resolves.toBe(false);
    await expect(succeeds(exists('absent'), exists('b'))).resolves.toBe(false);
  });

  test('without conditions the transaction succeeds', async () => {
    await expect(succeeds()).resolves.toBe(true);
  });

  test('a condition on an empty key is refused, also behind one that fails', async () => {
    const key = world.keys()('absent');
    const empty: Compare = { target: 'VERSION', result: 'EQUAL', version: 0 };
    await expectRefusal(succeeds(empty), etcdErrors.keyNotProvided);
    await expectRefusal(succeeds({ ...empty, range_end: zero }), etcdErrors.keyNotProvided);
    const fails: Compare = { key, target: 'VERSION', result: 'EQUAL', version: 7 };
    await expectRefusal(succeeds(fails, empty), etcdErrors.keyNotProvided);
  });
}
