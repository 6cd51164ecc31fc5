/** KV.Compact: which revisions stay readable, for reads, transactions and watchers. A compaction takes everybody's history. */
import { expect, test } from 'vitest';
import type { CompactionRequest } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { differs } from './differences.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, createWatcher, expectRefusal, names, revision, told, useWorld } from './world.ts';

export function compactSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  const compact = (at: number, rest: CompactionRequest = {}) =>
    world.client.call('etcdserverpb.KV/Compact', { ...rest, revision: at });

  /** A key with three values, compacted at its second one. */
  async function compacted() {
    const k = world.keys();
    const first = revision(await world.put(k('a'), 'one'));
    await world.put(k('a'), 'two');
    await world.put(k('a'), 'three');
    await compact(first + 1);
    return { k, first, floor: first + 1, last: first + 2 };
  }

  test('the response has the current revision', async () => {
    const k = world.keys();
    const [first = 0, last = 0] = await world.fill(k, 'a', 'a');
    const answer = await compact(first);
    expect(revision(answer)).toBe(last);
    expect(answer.header?.member_id).not.toBe('0');
  });

  test('compaction does not raise the revision', async () => {
    const { last } = await compacted();
    await expect(world.now()).resolves.toBe(last);
  });

  test('what is before the compact revision can no longer be read', async () => {
    const { k, first } = await compacted();
    await expectRefusal(world.range({ key: k('a'), revision: first }), etcdErrors.compacted);
    await expectRefusal(world.range({ ...k.all, revision: 1 }), etcdErrors.compacted);
  });

  test('the compact revision itself and everything after can be read', async () => {
    const { k, floor, last } = await compacted();
    const values = [];
    for (const at of [floor, last, 0]) {
      const { kvs } = await world.range({ key: k('a'), revision: at });
      values.push(kvs[0]?.value.toString());
    }
    expect(values).toEqual(['two', 'three', 'three']);
  });

  test('a serializable read is refused as any other', async () => {
    const { k, first } = await compacted();
    await expectRefusal(
      world.range({ key: k('a'), revision: first, serializable: true }),
      etcdErrors.compacted,
    );
  });

  test('compacting again at the same revision, or before, is refused', async () => {
    const { floor, first } = await compacted();
    await expectRefusal(compact(floor), etcdErrors.compacted);
    await expectRefusal(compact(first), etcdErrors.compacted);
    await expectRefusal(compact(0), etcdErrors.compacted);
    await expectRefusal(compact(-1), etcdErrors.compacted);
  });

  test('compacting at a future revision is refused and compacts nothing', async () => {
    const { k, floor, last } = await compacted();
    await expectRefusal(compact(last + 1), etcdErrors.futureRevision);
    await expect(world.range({ key: k('a'), revision: floor })).resolves.toMatchObject({
      count: '1',
    });
  });

  test('compacting at the revision of now', async () => {
    const k = world.keys();
    const [first = 0, last = 0] = await world.fill(k, 'a', 'a');
    await compact(last);
    await expectRefusal(world.range({ key: k('a'), revision: first }), etcdErrors.compacted);
    await expect(world.range({ key: k('a'), revision: last })).resolves.toMatchObject({
      count: '1',
    });
  });

  test('a watch from the compacted revision has no previous value there, and has those of later events', async () => {
    const k = world.keys();
    const [, , last = 0] = await world.fill(k, 'a', 'a', 'a');
    await compact(last);
    using stream = world.client.stream('etcdserverpb.Watch/Watch');
    stream.send({ create_request: { key: k('a'), start_revision: last, prev_kv: true } });
    expect(await stream.next()).toMatchObject({ created: true, canceled: false });
    await world.put(k('a'));
    const events = [];
    while (events.length < 2) events.push(...(await stream.next()).events);
    expect(events.map(({ prev_kv }) => prev_kv?.mod_revision ?? null)).toEqual([
      null,
      String(last),
    ]);
  });

  test('a physical compaction', async () => {
    const k = world.keys();
    const [first = 0, last = 0] = await world.fill(k, 'a', 'a');
    await compact(last, { physical: true });
    await expectRefusal(world.range({ key: k('a'), revision: first }), etcdErrors.compacted);
    await expectRefusal(compact(last, { physical: true }), etcdErrors.compacted);
  });

  test('a transaction that reads what was compacted is refused before it writes', async () => {
    const { k, first } = await compacted();
    await expectRefusal(
      world.txn({
        success: [
          { request_put: { key: k('b'), value: bytes('v') } },
          { request_range: { key: k('a'), revision: first } },
        ],
      }),
      etcdErrors.compacted,
    );
    await expect(world.value(k('b'))).resolves.toBeUndefined();
  });

  test('a transaction does not mind a compacted read in the branch that is not taken', async () => {
    const { k, first } = await compacted();
    const answer = await world.txn({
      success: [{ request_put: { key: k('b'), value: bytes('v') } }],
      failure: [{ request_range: { key: k('a'), revision: first } }],
    });
    expect(answer.succeeded).toBe(true);
  });

  test('a transaction reads at the compact revision', async () => {
    const { k, floor } = await compacted();
    const answer = await world.txn({
      success: [{ request_range: { key: k('a'), revision: floor } }],
    });
    expect(answer.responses[0]?.response_range?.kvs[0]?.value).toEqual(bytes('two'));
  });

  test('a conditional transaction that reads what was compacted', async () => {
    const { k, first } = await compacted();
    const read = world.txn({
      compare: [{ key: k('a'), target: 'VERSION', result: 'GREATER', version: 0 }],
      success: [{ request_range: { key: k('a'), revision: first } }],
    });
    await differs(kind, 'compaction-is-virtual', {
      etcd: () => expectRefusal(read, etcdErrors.compacted),
      instead: async () => {
        expect((await read).responses[0]?.response_range?.count).toBe('1');
      },
    });
  });

  test('a deleted key is gone from the history before the compact revision', async () => {
    const k = world.keys();
    const [first = 0] = await world.fill(k, 'a', 'b');
    const deleted = revision(await world.remove({ key: k('a') }));
    await compact(deleted);
    expect(names((await world.range({ ...k.all, revision: deleted })).kvs)).toEqual(['b']);
    await expectRefusal(world.range({ key: k('a'), revision: first }), etcdErrors.compacted);
  });

  test('a watcher from before the compact revision is created, then cancelled with that revision', async () => {
    const { k, first, floor } = await compacted();
    using stream = world.watch();
    const created = await createWatcher(stream, { ...k.all, start_revision: first });
    const cancelled = await stream.next();
    expect(cancelled).toMatchObject({
      watch_id: created.watch_id,
      created: false,
      canceled: true,
      compact_revision: String(floor),
      cancel_reason: '',
      events: [],
    });
    expect(revision(cancelled)).toBe(0);
  });

  test('a stream goes on after one of its watchers was cancelled for compaction', async () => {
    const { k, first, floor } = await compacted();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: first, watch_id: 5 });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '5', canceled: true });
    await createWatcher(stream, { ...k.all, start_revision: floor, watch_id: 6 });
    const caughtUp = await stream.next();
    expect(caughtUp.watch_id).toBe('6');
    expect(told(caughtUp)).toEqual(['PUT a=two', 'PUT a=three']);
  });

  test('a watcher from the compact revision on receives everything since', async () => {
    const { k, floor } = await compacted();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: floor });
    expect(told(await stream.next())).toEqual(['PUT a=two', 'PUT a=three']);
  });

  test('a running watcher does not notice a compaction', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    const [, second = 0] = await world.fill(k, 'a', 'b');
    await compact(second);
    await world.fill(k, 'c');
    const events = [];
    while (events.length < 3) events.push(...told(await stream.next()));
    expect(events).toEqual(['PUT a=a', 'PUT b=b', 'PUT c=c']);
  });

  test('whether history is really removed', async () => {
    const { first } = await compacted();
    using direct = world.directClient();
    const read = direct.call('etcdserverpb.KV/Range', { key: bytes('any'), revision: first });
    await differs(kind, 'compaction-is-virtual', {
      etcd: () => expectRefusal(read, etcdErrors.compacted),
      instead: async () => {
        expect((await read).count).toBe('0');
      },
    });
  });
}
