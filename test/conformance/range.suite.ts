/** KV.Range: which keys a response holds, in which order, at which revision. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { refusal } from '../support/client.ts';
import { encodeRequest } from '../support/codec.ts';
import { isAtLeast } from '../support/etcd-release.ts';
import type { RangeRequest } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { differs } from './differences.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, expectRefusal, names, revision, useWorld, zero } from './world.ts';

export function rangeSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  test('a key that does not exist gives an empty response with a header', async () => {
    const answer = await world.range({ key: world.keys()('absent') });
    expect(answer).toMatchObject({ kvs: [], count: '0', more: false });
    expect(BigInt(answer.header?.cluster_id ?? 0)).not.toBe(0n);
    expect(BigInt(answer.header?.member_id ?? 0)).not.toBe(0n);
    expect(BigInt(answer.header?.raft_term ?? 0)).not.toBe(0n);
    expect(revision(answer)).toBeGreaterThan(0);
  });

  test('a new key has version 1 and one revision for creation and change', async () => {
    const k = world.keys();
    const [created] = await world.fill(k, 'a');
    const { kvs, count } = await world.range({ key: k('a') });
    expect(count).toBe('1');
    expect(kvs).toEqual([
      {
        key: k('a'),
        value: bytes('a'),
        create_revision: String(created),
        mod_revision: String(created),
        version: '1',
        lease: '0',
      },
    ]);
  });

  test('a changed key keeps its create revision and counts its versions', async () => {
    const k = world.keys();
    const [created, , changed] = await world.fill(k, 'a', 'a', 'a');
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]).toMatchObject({
      create_revision: String(created),
      mod_revision: String(changed),
      version: '3',
    });
  });

  test('a range includes its beginning and leaves out its end', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c', 'd');
    const { kvs, count } = await world.range({ key: k('b'), range_end: k('d') });
    expect(names(kvs)).toEqual(['b', 'c']);
    expect(count).toBe('2');
  });

  test('a range comes back in the order of its keys, byte by byte', async () => {
    const k = world.keys();
    await world.fill(k, 'b', 'a\xff', 'a', 'a\0', '\xff', 'B', 'ab');
    const { kvs } = await world.range(k.all);
    expect(names(kvs)).toEqual(['B', 'a', 'a\0', 'ab', 'a\xff', 'b', '\xff']);
  });

  test('a range end that is not after the key gives nothing', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    for (const end of ['a', 'b']) {
      const answer = await world.range({ key: k('b'), range_end: k(end) });
      expect(answer).toMatchObject({ kvs: [], count: '0', more: false });
    }
  });

  test('a prefix that ends in 0xff ends where the byte before it is incremented', async () => {
    const k = world.keys();
    await world.fill(k, 'o', 'o\xff', 'o\xff\xff', 'o\xffz', 'p');
    const { kvs } = await world.range({ key: k('o\xff'), range_end: k('p') });
    expect(names(kvs)).toEqual(['o\xff', 'o\xffz', 'o\xff\xff']);
  });

  test('a zero byte as range end means everything from the key on', async () => {
    await world.empty();
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c');
    await world.put(bytes('\xff\xff/last'));
    const { kvs } = await world.range({ key: k('b'), range_end: zero });
    expect(names(kvs)).toEqual(['b', 'c', 'last']);
  });

  test('a zero byte as key and as range end means every key', async () => {
    await world.empty();
    await world.put(zero);
    await world.put(bytes('/a'));
    await world.put(bytes('\xff\xff\xff/z'));
    const { kvs, count } = await world.range({ key: zero, range_end: zero });
    expect(kvs.map(({ key }) => key.toString('latin1'))).toEqual(['\0', '/a', '\xff\xff\xff/z']);
    expect(count).toBe('3');
    await world.empty();
    await expect(world.range({ key: zero, range_end: zero })).resolves.toMatchObject({
      count: '0',
    });
  });

  test('two zero bytes as range end are an ordinary bound', async () => {
    await world.empty();
    await world.put(zero);
    await world.put(bytes('/a'));
    const answer = await world.range({ key: zero, range_end: bytes('\0\0') });
    expect(answer.kvs.map(({ key }) => key)).toEqual([zero]);
    const fromA = await world.range({ key: bytes('/a'), range_end: bytes('\0\0') });
    expect(fromA.count).toBe('0');
    await world.empty();
  });

  test('a key of 0xff bytes up to the end of the key space', async () => {
    await world.empty();
    await world.put(bytes('/a'));
    await world.put(bytes('\xff\xff'));
    await world.put(bytes('\xff\xff\xff'));
    const { count } = await world.range({ key: bytes('\xff'), range_end: zero });
    expect(count).toBe('2');
    await world.empty();
  });

  test('an empty key is refused', async () => {
    await expectRefusal(world.range({}), etcdErrors.keyNotProvided);
    await expectRefusal(world.range({ key: bytes('') }), etcdErrors.keyNotProvided);
  });

  test('an empty key is refused also with a range end', async () => {
    await expectRefusal(world.range({ range_end: bytes('z') }), etcdErrors.keyNotProvided);
    await expectRefusal(world.range({ range_end: zero }), etcdErrors.keyNotProvided);
  });

  test('a limit truncates the response and reports it, and the count stays that of the range', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c');
    const { kvs, more, count } = await world.range({ ...k.all, limit: 2 });
    expect(names(kvs)).toEqual(['a', 'b']);
    expect({ more, count }).toEqual({ more: true, count: '3' });
  });

  test('a limit that is not exceeded cuts nothing', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c');
    for (const limit of [0, 3, 4, -1]) {
      const answer = await world.range({ ...k.all, limit });
      expect(answer.kvs).toHaveLength(3);
      expect(answer).toMatchObject({ more: false, count: '3' });
    }
  });

  test('paging through a range at one revision sees every key once, whatever is written meanwhile', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c', 'd', 'e');
    const at = await world.now();
    const seen: string[] = [];
    let key = k.all.key;
    for (let more = true; more; ) {
      const page = await world.range({ ...k.all, key, limit: 2, revision: at });
      seen.push(...names(page.kvs));
      more = page.more;
      key = Buffer.concat([page.kvs.at(-1)?.key ?? key, zero]);
      await world.fill(k, 'bb', 'dd', 'f');
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  // Written so that every target orders the four keys differently.
  const orders = {
    KEY: ['a', 'b', 'c', 'd'],
    VERSION: ['b', 'a', 'd', 'c'],
    CREATE: ['d', 'c', 'b', 'a'],
    MOD: ['b', 'd', 'a', 'c'],
    VALUE: ['c', 'a', 'd', 'b'],
  } as const;

  async function sortable() {
    const k = world.keys();
    const writes = ['d', 'c', 'b=4', 'a', 'c', 'c', 'd', 'd=3', 'a=2', 'c=1'];
    for (const write of writes) {
      const [name = '', value = ''] = write.split('=');
      await world.put(k(name), value);
    }
    return k;
  }

  for (const [target, ascending] of Object.entries(orders)) {
    test(`sorting by ${target}, in both directions`, async () => {
      const k = await sortable();
      const sort_target = target as keyof typeof orders;
      const up = await world.range({ ...k.all, sort_target, sort_order: 'ASCEND' });
      expect(names(up.kvs)).toEqual(ascending);
      const down = await world.range({ ...k.all, sort_target, sort_order: 'DESCEND' });
      expect(names(down.kvs)).toEqual(ascending.toReversed());
    });

    test(`sorting by ${target} without an order is ascending`, async () => {
      const k = await sortable();
      const sort_target = target as keyof typeof orders;
      const { kvs } = await world.range({ ...k.all, sort_target, sort_order: 'NONE' });
      expect(names(kvs)).toEqual(ascending);
    });

    test(`sorting by ${target} happens before the limit`, async () => {
      const k = await sortable();
      const request = { sort_target: target as keyof typeof orders, limit: 1 };
      const answer = await world.range({ ...k.all, ...request, sort_order: 'DESCEND' });
      expect(names(answer.kvs)).toEqual(ascending.slice(-1));
      expect(answer).toMatchObject({ more: true, count: '4' });
    });
  }

  test('only the keys, without the values', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    const created = revision(await world.put(k('a'), 'v', { lease }));
    const { kvs } = await world.range({ key: k('a'), keys_only: true });
    expect(kvs).toMatchObject([
      { key: k('a'), value: bytes(''), mod_revision: String(created), version: '1' },
    ]);
    // Since 3.7 they come from the index, which does not know leases; sorted by value they still come from the store.
    expect(kvs[0]?.lease).toBe(isAtLeast(7) ? '0' : lease);
    const sorted = await world.range({ ...k.all, keys_only: true, sort_target: 'VALUE' });
    expect(sorted.kvs).toMatchObject([{ key: k('a'), value: bytes(''), lease }]);
  });

  test('only the count, with or without a limit', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b', 'c');
    for (const limit of [0, 1]) {
      const answer = await world.range({ ...k.all, count_only: true, limit });
      expect(answer).toMatchObject({ kvs: [], count: '3' });
    }
  });

  const bounds: [keyof RangeRequest, string[]][] = [
    ['min_mod_revision', ['a', 'c']],
    ['max_mod_revision', ['b', 'c']],
    ['min_create_revision', ['c']],
    ['max_create_revision', ['a', 'b', 'c']],
  ];
  for (const [bound, expected] of bounds) {
    test(`${bound} is inclusive and leaves the count alone`, async () => {
      const k = world.keys();
      const [, , created] = await world.fill(k, 'a', 'b', 'c', 'a');
      const { kvs, count } = await world.range({ ...k.all, [bound]: created });
      expect(names(kvs)).toEqual(expected);
      expect(count).toBe('3');
    });
  }

  test('revision bounds apply before the limit', async () => {
    const k = world.keys();
    const [, second] = await world.fill(k, 'a', 'b', 'c', 'd');
    const answer = await world.range({ ...k.all, min_mod_revision: second ?? 0, limit: 2 });
    expect(names(answer.kvs)).toEqual(['b', 'c']);
    expect(answer.more).toBe(true);
  });

  test('a past revision shows the store as it was', async () => {
    const k = world.keys();
    const before = await world.now();
    const created = revision(await world.put(k('a'), 'one'));
    await world.put(k('a'), 'two');
    await world.remove({ key: k('a') });
    await expect(world.value(k('a'))).resolves.toBeUndefined();
    const was = await world.range({ key: k('a'), revision: created });
    expect(was.kvs[0]?.value).toEqual(bytes('one'));
    const changed = await world.range({ key: k('a'), revision: created + 1 });
    expect(changed.kvs[0]).toMatchObject({ value: bytes('two'), version: '2' });
    await expect(world.range({ key: k('a'), revision: before })).resolves.toMatchObject({
      kvs: [],
      count: '0',
    });
  });

  test('the header of a read in the past carries the revision of now', async () => {
    const k = world.keys();
    const [first = 0, second] = await world.fill(k, 'a', 'a');
    const answer = await world.range({ key: k('a'), revision: first });
    expect(revision(answer)).toBeGreaterThanOrEqual(second ?? 0);
  });

  test('a future revision is refused', async () => {
    const now = await world.now();
    const k = world.keys();
    await expectRefusal(
      world.range({ key: k('a'), revision: now + 1000 }),
      etcdErrors.futureRevision,
    );
    await expectRefusal(
      world.range({ ...k.all, revision: '9223372036854775807' }),
      etcdErrors.futureRevision,
    );
  });

  test('a negative revision means now', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    const answer = await world.range({ key: k('a'), revision: -1 });
    expect(answer.count).toBe('1');
  });

  test('a serializable read sees what was written', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    const { kvs } = await world.range({ key: k('a'), serializable: true });
    expect(names(kvs)).toEqual(['a']);
  });

  test('keys and values are bytes, all 256 of them', async () => {
    const k = world.keys();
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const key = Buffer.concat([k(''), every]);
    await world.put(key, every);
    const { kvs } = await world.range({ key });
    expect(kvs).toMatchObject([{ key, value: every }]);
  });

  test('a key of 64 KiB', async () => {
    const key = Buffer.concat([world.keys()(''), Buffer.alloc(65_536, 'k')]);
    await world.put(key);
    const { kvs } = await world.range({ key });
    expect(kvs[0]?.key.equals(key)).toBe(true);
  });

  test('a response of 6 MB arrives whole', async () => {
    const k = world.keys();
    const value = Buffer.alloc(1_000_000, 'x');
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) await world.put(k(name), value);
    const { kvs } = await world.range(k.all);
    expect(names(kvs)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(kvs.every((kv) => kv.value.equals(value))).toBe(true);
  });

  test('concurrent reads on one connection each get their own response', async () => {
    const k = world.keys();
    const written = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    await world.fill(k, ...written);
    const asked = Array.from({ length: 300 }, (_, i) => written[i % 20] ?? '');
    const values = await Promise.all(asked.map((name) => world.value(k(name))));
    expect(values).toEqual(asked);
  });

  test('an unknown field is ignored, or refused with its number', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    const request = encodeRequest('etcdserverpb.KV/Range', { key: k('a') });
    // Field 1000, length-delimited, three bytes.
    const unknown = Buffer.from([0xc2, 0x3e, 3, 1, 2, 3]);
    const asked = () =>
      world.client.bytes('/etcdserverpb.KV/Range', Buffer.concat([unknown, request, unknown]));
    await differs(kind, 'unknown-fields', {
      etcd: async () => expect((await asked()).includes(k('a'))).toBe(true),
      instead: async () =>
        expect(await refusal(asked())).toMatchObject({
          code: Code.INVALID_ARGUMENT,
          details: expect.stringMatching(/: RangeRequest 1000$/),
        }),
    });
  });

  // An etcd before 3.6 does not look, sorts by nothing and ends: the proxy has to stand before it.
  if (kind.transport !== null || isAtLeast(6)) {
    test('a sort target or order outside of the enumeration is refused', async () => {
      const k = world.keys();
      await world.fill(k, 'a', 'b');
      const odd: RangeRequest[] = [
        { sort_target: 9 },
        { sort_target: 9, sort_order: 'ASCEND' },
        { sort_target: -1 },
        { sort_order: 3 },
        { sort_order: -1 },
      ];
      for (const request of odd) {
        await expectRefusal(world.range({ ...k.all, ...request }), etcdErrors.invalidSort);
      }
      await expectRefusal(
        world.txn({ success: [{ request_range: { ...k.all, sort_target: 9 } }] }),
        etcdErrors.invalidSort,
      );
      await expect(world.range(k.all)).resolves.toMatchObject({ count: '2' });
    });
  }
}
