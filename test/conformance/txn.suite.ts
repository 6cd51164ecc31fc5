/** The operations of KV.Txn: what is done, in which order, what is refused before anything happens, and nesting. */
import { expect, test } from 'vitest';
import type { Compare, RequestOp } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { differs } from './differences.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, expectRefusal, names, revision, useWorld, zero } from './world.ts';

export function txnSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  const put = (key: Buffer, value = 'v'): RequestOp => ({
    request_put: { key, value: bytes(value) },
  });
  const get = (key: Buffer): RequestOp => ({ request_range: { key } });
  const remove = (key: Buffer): RequestOp => ({ request_delete_range: { key } });
  const nested = (...success: RequestOp[]): RequestOp => ({ request_txn: { success } });
  /** A condition that never holds. */
  const never = (key: Buffer): Compare => ({
    key,
    target: 'VERSION',
    result: 'EQUAL',
    version: 99_999,
  });

  test('an empty transaction succeeds and changes nothing', async () => {
    const before = await world.now();
    const answer = await world.txn({});
    expect(answer).toMatchObject({ succeeded: true, responses: [] });
    expect(revision(answer)).toBe(before);
  });

  test('all writes of a transaction share one revision', async () => {
    const k = world.keys();
    const before = await world.now();
    const answer = await world.txn({ success: [put(k('a')), put(k('b')), put(k('c'))] });
    expect(revision(answer)).toBe(before + 1);
    const { kvs } = await world.range(k.all);
    expect(kvs.map((kv) => kv.mod_revision)).toEqual(Array(3).fill(String(before + 1)));
  });

  test('a transaction that only reads leaves the revision alone', async () => {
    const k = world.keys();
    const [written] = await world.fill(k, 'a');
    const answer = await world.txn({ success: [get(k('a')), { request_range: k.all }] });
    expect(revision(answer)).toBe(written);
    expect(answer.responses.map((op) => op.response_range?.count)).toEqual(['1', '1']);
  });

  test('responses come in the order of the operations, each of its kind', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    const { responses } = await world.txn({
      success: [get(k('a')), put(k('c')), remove(k('b')), nested(), get(k('b'))],
    });
    expect(responses.map((op) => op.response)).toEqual([
      'response_range',
      'response_put',
      'response_delete_range',
      'response_txn',
      'response_range',
    ]);
  });

  test('an operation sees what the ones before it did', async () => {
    const k = world.keys();
    await world.put(k('a'), 'old');
    const { responses } = await world.txn({
      success: [
        get(k('a')),
        put(k('a'), 'new'),
        get(k('a')),
        get(k('b')),
        put(k('b')),
        get(k('b')),
      ],
    });
    const read = responses.map((op) => op.response_range?.kvs[0]?.value.toString());
    expect(read).toEqual(['old', undefined, 'new', undefined, undefined, 'v']);
  });

  test('the failing branch is done when a condition fails, and the other one is not', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    const answer = await world.txn({
      compare: [never(k('a'))],
      success: [put(k('yes')), remove(k('a'))],
      failure: [put(k('no')), get(k('a'))],
    });
    expect(answer.succeeded).toBe(false);
    expect(answer.responses[1]?.response_range?.count).toBe('1');
    expect(names((await world.range(k.all)).kvs)).toEqual(['a', 'no']);
  });

  test('a condition that fails without a branch for it changes nothing', async () => {
    const k = world.keys();
    const before = await world.now();
    const answer = await world.txn({ compare: [never(k('a'))], success: [put(k('a'))] });
    expect(answer).toMatchObject({ succeeded: false, responses: [] });
    expect(revision(answer)).toBe(before);
  });

  test('prev_kv in writes and deletions', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c');
    const { responses } = await world.txn({
      success: [
        { request_put: { key: k('a'), value: bytes('new'), prev_kv: true } },
        { request_delete_range: { key: k('b'), range_end: k('d'), prev_kv: true } },
      ],
    });
    expect(responses[0]?.response_put?.prev_kv).toMatchObject({ key: k('a'), value: bytes('a') });
    expect(names(responses[1]?.response_delete_range?.prev_kvs ?? [])).toEqual(['b', 'c']);
    expect(responses[1]?.response_delete_range?.deleted).toBe('2');
  });

  test('reads take every option', async () => {
    const k = world.keys();
    const [first] = await world.fill(k, 'a', 'b', 'c', 'a');
    const { responses } = await world.txn({
      success: [
        { request_range: { ...k.all, limit: 1, sort_order: 'DESCEND' } },
        { request_range: { ...k.all, count_only: true } },
        { request_range: { ...k.all, keys_only: true } },
        { request_range: { ...k.all, revision: first ?? 0 } },
        { request_range: { ...k.all, max_mod_revision: (first ?? 0) + 1 } },
      ],
    });
    const read = responses.map((op) => names(op.response_range?.kvs ?? []));
    expect(read).toEqual([['c'], [], ['a', 'b', 'c'], ['a'], ['b']]);
    expect(responses[0]?.response_range).toMatchObject({ more: true, count: '3' });
    expect(responses[1]?.response_range?.count).toBe('3');
    expect(responses[2]?.response_range?.kvs[0]?.value).toEqual(bytes(''));
  });

  test('leases, ignore_lease and ignore_value', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.txn({ success: [{ request_put: { key: k('a'), value: bytes('one'), lease } }] });
    await world.txn({
      success: [{ request_put: { key: k('a'), value: bytes('two'), ignore_lease: true } }],
    });
    const { responses } = await world.txn({
      success: [
        { request_put: { key: k('a'), ignore_value: true, lease, prev_kv: true } },
        get(k('a')),
      ],
    });
    expect(responses[0]?.response_put?.prev_kv).toMatchObject({ value: bytes('two'), lease });
    expect(responses[1]?.response_range?.kvs[0]).toMatchObject({ value: bytes('two'), lease });
  });

  test('a future revision in a read refuses the whole transaction', async () => {
    const k = world.keys();
    const now = await world.now();
    await expectRefusal(
      world.txn({
        success: [put(k('a')), { request_range: { key: k('a'), revision: now + 100 } }],
      }),
      etcdErrors.futureRevision,
    );
    await expect(world.value(k('a'))).resolves.toBeUndefined();
  });

  test('an unknown lease in a write refuses the whole transaction', async () => {
    const k = world.keys();
    await expectRefusal(
      world.txn({ success: [put(k('a')), { request_put: { key: k('b'), lease: 123_456 } }] }),
      etcdErrors.leaseNotFound,
    );
    await expect(world.range(k.all)).resolves.toMatchObject({ count: '0' });
  });

  test('ignore_value for a key that does not exist refuses the whole transaction', async () => {
    const k = world.keys();
    await expectRefusal(
      world.txn({ success: [put(k('a')), { request_put: { key: k('b'), ignore_value: true } }] }),
      etcdErrors.keyNotFound,
    );
    await expect(world.range(k.all)).resolves.toMatchObject({ count: '0' });
  });

  test('ignore_value with a value, and ignore_lease with a lease', async () => {
    const k = world.keys();
    const contradictions = [
      [{ ignore_value: true, value: bytes('v') }, etcdErrors.valueProvided],
      [{ ignore_lease: true, lease: 1 }, etcdErrors.leaseProvided],
    ] as const;
    for (const [options, error] of contradictions) {
      const op = { request_put: { key: k('a'), ...options } };
      await expectRefusal(world.txn({ success: [op] }), error);
      await expectRefusal(world.txn({ failure: [op] }), error);
    }
  });

  const empties: [string, RequestOp][] = [
    ['put', { request_put: { value: bytes('v') } }],
    ['read', { request_range: {} }],
    ['read with a range end', { request_range: { range_end: zero } }],
    ['deletion', { request_delete_range: {} }],
    ['deletion with a range end', { request_delete_range: { range_end: zero } }],
  ];
  for (const [name, op] of empties) {
    test(`an empty key in a ${name} is refused in either branch and at any depth`, async () => {
      const k = world.keys();
      const before = await world.now();
      await expectRefusal(world.txn({ success: [put(k('a')), op] }), etcdErrors.keyNotProvided);
      await expectRefusal(world.txn({ failure: [op] }), etcdErrors.keyNotProvided);
      await expectRefusal(world.txn({ success: [nested(op)] }), etcdErrors.keyNotProvided);
      await expectRefusal(
        world.txn({ success: [nested(nested({ request_txn: { failure: [op] } }))] }),
        etcdErrors.keyNotProvided,
      );
      await expect(world.now()).resolves.toBe(before);
    });
  }

  test('an empty key in a nested condition is refused', async () => {
    await expectRefusal(
      world.txn({ success: [{ request_txn: { compare: [{ target: 'VERSION' }] } }] }),
      etcdErrors.keyNotProvided,
    );
  });

  test('an operation without a body is refused in either branch and at any depth', async () => {
    const k = world.keys();
    await expectRefusal(world.txn({ success: [{}] }), etcdErrors.keyNotFound);
    await expectRefusal(world.txn({ failure: [{}] }), etcdErrors.keyNotFound);
    await expectRefusal(world.txn({ success: [put(k('a')), {}] }), etcdErrors.keyNotFound);
    await expectRefusal(world.txn({ success: [nested(nested({}))] }), etcdErrors.keyNotFound);
    await expect(world.value(k('a'))).resolves.toBeUndefined();
  });

  test('the same key written twice in one branch', async () => {
    const k = world.keys();
    await expectRefusal(
      world.txn({ success: [put(k('a')), put(k('a'))] }),
      etcdErrors.duplicateKey,
    );
    await expectRefusal(
      world.txn({ failure: [put(k('a')), put(k('a'))] }),
      etcdErrors.duplicateKey,
    );
  });

  test('a key written and deleted in one branch', async () => {
    const k = world.keys();
    const deletions: RequestOp[] = [remove(k('b')), { request_delete_range: k.all }];
    for (const deletion of deletions) {
      await expectRefusal(world.txn({ success: [put(k('b')), deletion] }), etcdErrors.duplicateKey);
      await expectRefusal(world.txn({ success: [deletion, put(k('b'))] }), etcdErrors.duplicateKey);
    }
  });

  test('a deletion that ends just before the written key does not touch it', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    const deletion = { request_delete_range: { key: k('a'), range_end: k('b') } };
    await world.txn({ success: [deletion, put(k('b'))] });
    expect(names((await world.range(k.all)).kvs)).toEqual(['b']);
  });

  test('deletions may overlap one another', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    const { responses } = await world.txn({
      success: [{ request_delete_range: k.all }, remove(k('a'))],
    });
    expect(responses.map((op) => op.response_delete_range?.deleted)).toEqual(['2', '0']);
  });

  test('the same key written in both branches', async () => {
    const k = world.keys();
    await world.txn({
      compare: [never(k('a'))],
      success: [put(k('a'), 'yes')],
      failure: [put(k('a'), 'no')],
    });
    await expect(world.value(k('a'))).resolves.toBe('no');
  });

  test('the same key written in a branch and in a transaction nested in it', async () => {
    const k = world.keys();
    await expectRefusal(
      world.txn({ success: [put(k('a')), nested(put(k('a')))] }),
      etcdErrors.duplicateKey,
    );
    await expectRefusal(
      world.txn({ success: [nested(put(k('a'))), nested(put(k('a')))] }),
      etcdErrors.duplicateKey,
    );
  });

  test('a nested transaction is executed, and its response is nested', async () => {
    const k = world.keys();
    const before = await world.now();
    const answer = await world.txn({
      success: [put(k('a')), nested(put(k('b')), get(k('a')), nested(put(k('c'))))],
    });
    const inner = answer.responses[1]?.response_txn;
    expect(inner?.succeeded).toBe(true);
    expect(inner?.responses.map((op) => op.response)).toEqual([
      'response_put',
      'response_range',
      'response_txn',
    ]);
    expect(names(inner?.responses[1]?.response_range?.kvs ?? [])).toEqual(['a']);
    expect(inner?.responses[2]?.response_txn?.responses).toHaveLength(1);
    const { kvs } = await world.range(k.all);
    expect(kvs.map((kv) => kv.mod_revision)).toEqual(Array(3).fill(String(before + 1)));
  });

  test('nested conditions see the store as it was before the transaction', async () => {
    const k = world.keys();
    const absent: Compare = { key: k('a'), target: 'VERSION', result: 'EQUAL', version: 0 };
    const { responses } = await world.txn({
      success: [
        put(k('a')),
        { request_txn: { compare: [absent], success: [put(k('yes'))], failure: [put(k('no'))] } },
      ],
    });
    expect(responses[1]?.response_txn?.succeeded).toBe(true);
    expect(names((await world.range(k.all)).kvs)).toEqual(['a', 'yes']);
  });

  test('a nested branch of its own, with leases and ranges in its conditions', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'v', { lease });
    const leased: Compare = { ...k.all, target: 'LEASE', result: 'EQUAL', lease };
    const { responses } = await world.txn({
      success: [
        {
          request_txn: {
            compare: [leased],
            success: [{ request_range: { key: k('a') } }],
            failure: [put(k('no'))],
          },
        },
      ],
    });
    const inner = responses[0]?.response_txn;
    expect(inner?.succeeded).toBe(true);
    expect(inner?.responses[0]?.response_range?.kvs[0]?.lease).toBe(lease);
  });

  test('thirty transactions deep', async () => {
    const k = world.keys();
    let op = put(k('deep'));
    for (let depth = 0; depth < 30; depth += 1) op = nested(op);
    const answer = await world.txn({ success: [op] });
    let inner = answer.responses[0];
    for (let depth = 0; depth < 30; depth += 1) inner = inner?.response_txn?.responses[0];
    expect(inner?.response).toBe('response_put');
    await expect(world.value(k('deep'))).resolves.toBe('v');
  });

  const many = (count: number, op: (i: number) => RequestOp) =>
    Array.from({ length: count }, (_, i) => op(i));

  test('128 operations are done', async () => {
    const k = world.keys();
    const answer = await world.txn({ success: many(128, (i) => put(k(`key-${i}`))) });
    expect(answer.responses).toHaveLength(128);
    await expect(world.range(k.all)).resolves.toMatchObject({ count: '128' });
  });

  test('129 operations or conditions are too many', async () => {
    const k = world.keys();
    const gets = many(129, () => get(k('a')));
    await expectRefusal(world.txn({ success: gets }), etcdErrors.tooManyOps);
    await expectRefusal(world.txn({ failure: gets }), etcdErrors.tooManyOps);
    const compare = Array.from({ length: 129 }, () => never(k('a')));
    await expectRefusal(world.txn({ compare }), etcdErrors.tooManyOps);
  });

  test('a nested transaction may use what the outer one leaves of the 128', async () => {
    const k = world.keys();
    const gets = (count: number) => many(count, () => get(k('a')));
    const answer = await world.txn({ success: [...gets(63), nested(...gets(64))] });
    expect(answer.responses).toHaveLength(64);
    await expectRefusal(
      world.txn({ success: [...gets(63), nested(...gets(65))] }),
      etcdErrors.tooManyOps,
    );
    await expectRefusal(world.txn({ success: [nested(...gets(128))] }), etcdErrors.tooManyOps);
  });

  test('the header of a nested response has only the revision', async () => {
    const k = world.keys();
    const answer = await world.txn({ success: [put(k('a')), get(k('a')), remove(k('b'))] });
    const inner = answer.responses.map(
      (op) => op.response_put ?? op.response_range ?? op.response_delete_range,
    );
    for (const response of inner) {
      expect(response?.header).toEqual({
        cluster_id: '0',
        member_id: '0',
        revision: answer.header?.revision,
        raft_term: '0',
      });
    }
  });

  test('a lock that only one of many takes', async () => {
    const k = world.keys();
    const free: Compare = { key: k('lock'), target: 'CREATE', result: 'EQUAL', create_revision: 0 };
    const attempts = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        world.txn({
          compare: [free],
          success: [put(k('lock'), String(i))],
          failure: [get(k('lock'))],
        }),
      ),
    );
    const winners = attempts.flatMap((answer, i) => (answer.succeeded ? [String(i)] : []));
    expect(winners).toHaveLength(1);
    const seen = attempts
      .filter((answer) => !answer.succeeded)
      .map((answer) => answer.responses[0]?.response_range?.kvs[0]?.value.toString());
    expect(new Set(seen)).toEqual(new Set(winners));
  });

  test('deleting from a key on beside a write behind it', async () => {
    await world.empty();
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    const both = world.txn({
      success: [{ request_delete_range: { key: k('a'), range_end: zero } }, put(k('z'))],
    });
    await differs(kind, 'from-key-delete-and-put', {
      etcd: async () => {
        await both;
        expect(names((await world.range(k.all)).kvs)).toEqual(['z']);
      },
      instead: () => expectRefusal(both, etcdErrors.duplicateKey),
    });
  });
}
