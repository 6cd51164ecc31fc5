/** KV.DeleteRange: which keys it deletes, and what its response reports. */
import { expect, test } from 'vitest';
import type { TargetKind } from '../support/target.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, expectRefusal, names, revision, useWorld, zero } from './world.ts';

export function deleteRangeSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  test('one key', async () => {
    const k = world.keys();
    const [, written] = await world.fill(k, 'a', 'b');
    const answer = await world.remove({ key: k('a') });
    expect(answer).toMatchObject({ deleted: '1', prev_kvs: [] });
    expect(revision(answer)).toBe((written ?? 0) + 1);
    expect(names((await world.range(k.all)).kvs)).toEqual(['b']);
  });

  test('a key that does not exist: nothing happens, the revision stays', async () => {
    const k = world.keys();
    const before = await world.now();
    const answer = await world.remove({ key: k('a'), prev_kv: true });
    expect(answer).toMatchObject({ deleted: '0', prev_kvs: [] });
    expect(revision(answer)).toBe(before);
  });

  test('a range, in one revision', async () => {
    const k = world.keys();
    const [, , , last] = await world.fill(k, 'a', 'b', 'c', 'd');
    const answer = await world.remove({ key: k('b'), range_end: k('d') });
    expect(answer.deleted).toBe('2');
    expect(revision(answer)).toBe((last ?? 0) + 1);
    expect(names((await world.range(k.all)).kvs)).toEqual(['a', 'd']);
  });

  test('an empty range deletes nothing', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    await expect(world.remove({ key: k('b'), range_end: k('a') })).resolves.toMatchObject({
      deleted: '0',
    });
    await expect(world.remove({ key: k('b'), range_end: k('b') })).resolves.toMatchObject({
      deleted: '0',
    });
  });

  test('prev_kvs are the keys as they were, in their order', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.fill(k, 'c', 'a');
    await world.put(k('b'), 'leased', { lease });
    const { prev_kvs } = await world.remove({ ...k.all, prev_kv: true });
    expect(names(prev_kvs)).toEqual(['a', 'b', 'c']);
    expect(prev_kvs[1]).toMatchObject({ value: bytes('leased'), lease, version: '1' });
  });

  test('a zero byte as range end deletes everything from the key on', async () => {
    await world.empty();
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    await world.put(bytes('\xff\xff'));
    await expect(world.remove({ key: k('b'), range_end: zero })).resolves.toMatchObject({
      deleted: '2',
    });
    expect(names((await world.range({ key: zero, range_end: zero })).kvs)).toEqual(['a']);
  });

  test('a zero byte as key and as range end deletes every key of this client and no other', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'b');
    await world.empty();
    await expect(world.range({ key: zero, range_end: zero })).resolves.toMatchObject({
      count: '0',
    });
  });

  test('a prefix that ends in 0xff', async () => {
    const k = world.keys();
    await world.fill(k, 'o', 'o\xff', 'o\xff\xff', 'p');
    await expect(world.remove({ key: k('o\xff'), range_end: k('p') })).resolves.toMatchObject({
      deleted: '2',
    });
    expect(names((await world.range(k.all)).kvs)).toEqual(['o', 'p']);
  });

  test('an empty key is refused, with or without a range end', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    await expectRefusal(world.remove({}), etcdErrors.keyNotProvided);
    await expectRefusal(world.remove({ range_end: zero }), etcdErrors.keyNotProvided);
    await expect(world.value(k('a'))).resolves.toBe('a');
  });

  test('a key that comes back begins at version 1 with a new create revision', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'a');
    await world.remove({ key: k('a') });
    const [created] = await world.fill(k, 'a');
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]).toMatchObject({ version: '1', create_revision: String(created) });
  });

  test('300 keys in one revision', async () => {
    const k = world.keys();
    await Promise.all(Array.from({ length: 300 }, (_, i) => world.put(k(`key-${i}`))));
    const before = await world.now();
    const answer = await world.remove({ ...k.all, prev_kv: true });
    expect(answer.deleted).toBe('300');
    expect(answer.prev_kvs).toHaveLength(300);
    expect(revision(answer)).toBe(before + 1);
  });

  test('deleting a key takes it from its lease', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'v', { lease });
    await world.remove({ key: k('a') });
    const left = await world.client.call('etcdserverpb.Lease/LeaseTimeToLive', {
      ID: lease,
      keys: true,
    });
    expect(left.keys).toEqual([]);
  });
}
