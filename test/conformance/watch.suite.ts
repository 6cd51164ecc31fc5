/** Watchers: how they are created, what they receive, how they end. Progress and fragments have suites of their own. */
import { expect, test } from 'vitest';
import type { TargetKind } from '../support/target.ts';
import { etcdErrors } from './etcd-errors.ts';
import {
  bytes,
  createWatcher,
  names,
  nextEvents,
  revision,
  told,
  useWorld,
  zero,
} from './world.ts';

const rangeIsEmpty = 'mvcc: watcher range is empty';
const duplicateId = 'mvcc: duplicate watch ID provided on the WatchStream';
/** Long enough for an unwanted response to arrive. */
const silenceMs = 150;

export function watchSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  test('created says the watch ID and the revision of now', async () => {
    const now = await world.now();
    using stream = world.watch();
    const created = await createWatcher(stream, world.keys().all);
    expect(created).toMatchObject({ watch_id: '0', compact_revision: '0', cancel_reason: '' });
    expect(revision(created)).toBe(now);
    expect(created.header?.cluster_id).not.toBe('0');
    expect(created.header?.member_id).not.toBe('0');
  });

  test('a watcher of one key receives the events of that key alone', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { key: k('b') });
    await world.fill(k, 'a', 'b', 'ba', 'c', 'b');
    await expect(nextEvents(stream, 2)).resolves.toEqual(['PUT b=b', 'PUT b=b']);
    await expect(stream.drain(silenceMs)).resolves.toEqual([]);
  });

  test('a range includes its start and excludes its end', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { key: k('b'), range_end: k('d') });
    await world.fill(k, 'a', 'b', 'c', 'd', 'c\xff');
    await expect(nextEvents(stream, 3)).resolves.toEqual(['PUT b=b', 'PUT c=c', 'PUT c\xff=c\xff']);
  });

  test('a put event has the whole key, and its response has the revision of the write', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    using stream = world.watch();
    await createWatcher(stream, k.all);
    const created = revision(await world.put(k('a'), 'one'));
    const changed = revision(await world.put(k('a'), 'two', { lease }));
    const first = await stream.next();
    const second = await stream.next();
    expect(second.events).toEqual([
      {
        type: 'PUT',
        kv: {
          key: k('a'),
          value: bytes('two'),
          create_revision: String(created),
          mod_revision: String(changed),
          version: '2',
          lease,
        },
        prev_kv: null,
      },
    ]);
    expect([revision(first), revision(second)]).toEqual([created, changed]);
  });

  test('a delete event carries the key and the revision of the deletion alone', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    using stream = world.watch();
    await createWatcher(stream, k.all);
    const deleted = revision(await world.remove({ key: k('a') }));
    const { events } = await stream.next();
    expect(events).toEqual([
      {
        type: 'DELETE',
        kv: {
          key: k('a'),
          value: bytes(''),
          create_revision: '0',
          mod_revision: String(deleted),
          version: '0',
          lease: '0',
        },
        prev_kv: null,
      },
    ]);
  });

  test('a write of an empty value and a deletion of nothing', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    await world.remove({ key: k('a') });
    await world.put(k('a'), '');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=']);
  });

  test('prev_kv is there for changes and deletions, not for creations', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, prev_kv: true });
    await world.put(k('a'), 'one', { lease });
    await world.put(k('a'), 'two');
    await world.remove({ key: k('a') });
    const previous = [];
    for (let i = 0; i < 3; i += 1) previous.push((await stream.next()).events[0]?.prev_kv);
    expect(previous[0]).toBeNull();
    expect(previous[1]).toMatchObject({ key: k('a'), value: bytes('one'), version: '1', lease });
    expect(previous[2]).toMatchObject({ value: bytes('two'), version: '2', lease: '0' });
  });

  test('all events of a transaction come in one response, in the order of its operations', async () => {
    const k = world.keys();
    await world.fill(k, 'x', 'y');
    using stream = world.watch();
    await createWatcher(stream, k.all);
    await world.txn({
      success: [
        { request_put: { key: k('c'), value: bytes('1') } },
        { request_delete_range: { key: k('x'), range_end: k('z') } },
        { request_put: { key: k('a'), value: bytes('2') } },
      ],
    });
    expect(told(await stream.next())).toEqual(['PUT c=1', 'DELETE x', 'DELETE y', 'PUT a=2']);
  });

  test('events come in the order of their revisions, none missing and none twice', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    const written = await Promise.all(
      Array.from({ length: 200 }, (_, i) => world.put(k(`key-${i % 10}`), String(i))),
    );
    const revisions: number[] = [];
    while (revisions.length < written.length) {
      const { events } = await stream.next();
      revisions.push(...events.map(({ kv }) => Number(kv.mod_revision)));
    }
    expect(revisions).toEqual(written.map(revision).toSorted((a, b) => a - b));
  });

  test('NOPUT leaves deletions, NODELETE leaves writes, both leave nothing', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, watch_id: 1, filters: ['NOPUT'] });
    await createWatcher(stream, { ...k.all, watch_id: 2, filters: ['NODELETE'] });
    await createWatcher(stream, { ...k.all, watch_id: 3, filters: ['NOPUT', 'NODELETE'] });
    await world.fill(k, 'a');
    await world.remove({ key: k('a') });
    const answers = [await stream.next(), await stream.next()];
    expect(answers.map((answer) => [answer.watch_id, ...told(answer)]).toSorted()).toEqual([
      ['1', 'DELETE a'],
      ['2', 'PUT a=a'],
    ]);
    await expect(stream.drain(silenceMs)).resolves.toEqual([]);
  });

  test('a filter takes events out of a transaction and leaves the rest together', async () => {
    const k = world.keys();
    await world.fill(k, 'x');
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, filters: ['NODELETE'] });
    await world.txn({
      success: [
        { request_put: { key: k('a'), value: bytes('1') } },
        { request_delete_range: { key: k('x') } },
        { request_put: { key: k('b'), value: bytes('2') } },
      ],
    });
    expect(told(await stream.next())).toEqual(['PUT a=1', 'PUT b=2']);
  });

  test('a watcher that starts in the past receives everything since then', async () => {
    const k = world.keys();
    const [, second = 0] = await world.fill(k, 'a', 'b', 'c');
    await world.remove({ key: k('a') });
    using stream = world.watch();
    const created = await createWatcher(stream, { ...k.all, start_revision: second });
    expect(revision(created)).toBeGreaterThanOrEqual(second);
    await expect(nextEvents(stream, 3)).resolves.toEqual(['PUT b=b', 'PUT c=c', 'DELETE a']);
    await world.fill(k, 'd');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT d=d']);
  });

  test('a start in the past with prev_kv and filters', async () => {
    const k = world.keys();
    const [first = 0] = await world.fill(k, 'a', 'a');
    await world.remove({ key: k('a') });
    using stream = world.watch();
    await createWatcher(stream, {
      ...k.all,
      start_revision: first,
      prev_kv: true,
      filters: ['NOPUT'],
    });
    const answer = await stream.next();
    expect(told(answer)).toEqual(['DELETE a']);
    expect(answer.events[0]?.prev_kv).toMatchObject({ value: bytes('a'), version: '2' });
  });

  test('a transaction in the past still comes in one response', async () => {
    const k = world.keys();
    const put = (name: string) => ({ request_put: { key: k(name), value: bytes(name) } });
    const { header } = await world.txn({ success: [put('b'), put('a')] });
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: header?.revision ?? 0 });
    expect(told(await stream.next())).toEqual(['PUT b=b', 'PUT a=a']);
  });

  test('a long history comes whole and in order', async () => {
    const k = world.keys();
    const written = await Promise.all(
      Array.from({ length: 1500 }, (_, i) => world.put(k(`key-${i}`), 'v')),
    );
    const revisions = written.map(revision).toSorted((a, b) => a - b);
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: revisions[0] ?? 0 });
    const seen: number[] = [];
    while (seen.length < revisions.length) {
      const { events } = await stream.next();
      seen.push(...events.map(({ kv }) => Number(kv.mod_revision)));
    }
    expect(seen).toEqual(revisions);
  });

  test('a watcher that starts at the current revision receives the write that made it', async () => {
    const k = world.keys();
    const [now = 0] = await world.fill(k, 'a');
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: now });
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=a']);
  });

  test('a watcher that starts at the next revision receives the next write', async () => {
    const k = world.keys();
    const [now = 0] = await world.fill(k, 'a');
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: now + 1 });
    await world.fill(k, 'b');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT b=b']);
  });

  test('a watcher does not see what was written before it was created', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    using stream = world.watch();
    const created = await createWatcher(stream, k.all);
    await world.fill(k, 'b');
    const answer = await stream.next();
    expect(told(answer)).toEqual(['PUT b=b']);
    expect(revision(answer)).toBeGreaterThan(revision(created));
  });

  test('a zero byte as range end watches everything from the key on', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { key: k('b'), range_end: zero });
    await world.fill(k, 'a', 'b', 'c');
    await world.put(bytes('\xff\xff/last'));
    await expect(nextEvents(stream, 3)).resolves.toEqual(['PUT b=b', 'PUT c=c', 'PUT last=v']);
  });

  test('a zero byte as key and as range end watches every key', async () => {
    using stream = world.watch();
    await createWatcher(stream, { key: zero, range_end: zero });
    await world.put(zero, '1');
    await world.put(bytes('\xff'), '2');
    const keys: Uint8Array[] = [];
    while (keys.length < 2) keys.push(...(await stream.next()).events.map(({ kv }) => kv.key));
    expect(keys).toEqual([zero, bytes('\xff')]);
  });

  test('an empty key means the key of one zero byte', async () => {
    using stream = world.watch();
    await createWatcher(stream, {});
    const k = world.keys();
    await world.fill(k, 'a');
    await world.put(zero, 'zero');
    const { events } = await stream.next();
    expect(events.map(({ kv }) => kv.key)).toEqual([zero]);
  });

  test('an empty key with a zero byte as range end watches every key', async () => {
    using stream = world.watch();
    await createWatcher(stream, { range_end: zero });
    const k = world.keys();
    await world.fill(k, 'a');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=a']);
  });

  test('an empty range is refused, and the stream lives on', async () => {
    const k = world.keys();
    using stream = world.watch();
    for (const range_end of [k('b'), k('a')]) {
      stream.send({ create_request: { key: k('b'), range_end } });
      await expect(stream.next()).resolves.toMatchObject({
        watch_id: '-1',
        created: true,
        canceled: true,
        cancel_reason: rangeIsEmpty,
        compact_revision: '0',
      });
    }
    await createWatcher(stream, k.all);
    await world.fill(k, 'a');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=a']);
  });

  test('watch IDs count up from zero', async () => {
    const k = world.keys();
    using stream = world.watch();
    const ids = [];
    for (let i = 0; i < 3; i += 1) ids.push((await createWatcher(stream, k.all)).watch_id);
    expect(ids).toEqual(['0', '1', '2']);
  });

  test('watch IDs that clients chose are honoured, and counting skips them', async () => {
    const k = world.keys();
    using stream = world.watch();
    const chosen = [];
    for (const watch_id of [2, 0, 0, 0, '9223372036854775807', -7]) {
      chosen.push((await createWatcher(stream, { ...k.all, watch_id })).watch_id);
    }
    expect(chosen).toEqual(['2', '0', '1', '3', '9223372036854775807', '-7']);
  });

  test('events carry the watch ID that the client chose', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, watch_id: 77 });
    await world.fill(k, 'a');
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '77', created: false });
  });

  test('a watch ID that is in use is refused, and its watcher lives on', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, watch_id: 5 });
    stream.send({ create_request: { ...k.all, watch_id: 5 } });
    await expect(stream.next()).resolves.toMatchObject({
      watch_id: '-1',
      created: true,
      canceled: true,
      cancel_reason: duplicateId,
    });
    await world.fill(k, 'a');
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '5' });
  });

  test('a watch ID is free again after its watcher was cancelled', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, watch_id: 5 });
    stream.send({ cancel_request: { watch_id: 5 } });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '5', canceled: true });
    await createWatcher(stream, { ...k.all, watch_id: 5 });
    const automatic = await createWatcher(stream, k.all);
    expect(automatic.watch_id).toBe('0');
  });

  test('the same watch ID on two streams', async () => {
    const k = world.keys();
    using one = world.watch();
    using two = world.watch();
    await createWatcher(one, { ...k.all, watch_id: 5 });
    await createWatcher(two, { ...k.all, watch_id: 5 });
    await world.fill(k, 'a');
    for (const stream of [one, two]) {
      await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=a']);
    }
  });

  test('a cancelled watcher receives nothing more, and its neighbour everything', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, watch_id: 1 });
    await createWatcher(stream, { ...k.all, watch_id: 2 });
    stream.send({ cancel_request: { watch_id: 1 } });
    const cancelled = await stream.next();
    expect(cancelled).toMatchObject({
      watch_id: '1',
      created: false,
      canceled: true,
      compact_revision: '0',
      cancel_reason: '',
      events: [],
    });
    expect(revision(cancelled)).toBeGreaterThan(0);
    await world.fill(k, 'a');
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '2' });
    await expect(stream.drain(silenceMs)).resolves.toEqual([]);
  });

  test('cancelling a watch ID that does not exist is not answered', async () => {
    const k = world.keys();
    using stream = world.watch();
    stream.send({ cancel_request: { watch_id: 99 } });
    await createWatcher(stream, k.all);
    stream.send({ cancel_request: { watch_id: 98 } });
    await world.fill(k, 'a');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=a']);
    await expect(stream.drain(silenceMs)).resolves.toEqual([]);
  });

  test('a cancel right behind a create is answered by both', async () => {
    const k = world.keys();
    using stream = world.watch();
    stream.send({ create_request: { ...k.all, watch_id: 3 } });
    stream.send({ cancel_request: { watch_id: 3 } });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '3', created: true });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '3', canceled: true });
  });

  test('a request without a body is ignored', async () => {
    const k = world.keys();
    using stream = world.watch();
    stream.send({});
    await createWatcher(stream, k.all);
    await expect(stream.drain(silenceMs)).resolves.toEqual([]);
  });

  test('many watchers on one stream, each with its own range', async () => {
    const k = world.keys();
    using stream = world.watch();
    const all = Array.from({ length: 100 }, (_, i) => i + 1);
    for (const id of all) {
      stream.send({ create_request: { key: k(`key-${id}`), watch_id: id } });
    }
    for (const id of all) {
      await expect(stream.next()).resolves.toMatchObject({ created: true, watch_id: String(id) });
    }
    await Promise.all(all.map((id) => world.put(k(`key-${id}`))));
    const seen = new Map<string, string[]>();
    while (seen.size < all.length) {
      const { watch_id, events } = await stream.next();
      seen.set(watch_id, names(events.map(({ kv }) => kv)));
    }
    expect(all.every((id) => seen.get(String(id))?.join() === `key-${id}`)).toBe(true);
  });

  test('watchers of the same range are all told, in the same order', async () => {
    const k = world.keys();
    const streams = Array.from({ length: 20 }, () => world.watch());
    using closing = new DisposableStack();
    for (const stream of streams) closing.use(stream);
    await Promise.all(streams.map((stream) => createWatcher(stream, k.all)));
    await world.fill(k, 'a', 'b', 'c');
    const all = await Promise.all(streams.map((stream) => nextEvents(stream, 3)));
    for (const events of all) expect(events).toEqual(['PUT a=a', 'PUT b=b', 'PUT c=c']);
  });

  test('events keep flowing after the client has said that it sends nothing more', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    stream.end();
    await stream.drain(silenceMs);
    await world.fill(k, 'a', 'b');
    await expect(nextEvents(stream, 2)).resolves.toEqual(['PUT a=a', 'PUT b=b']);
  });

  test('a create that is followed at once by the end of requests', async () => {
    const k = world.keys();
    using stream = world.watch();
    stream.send({ create_request: k.all });
    stream.end();
    await expect(stream.next()).resolves.toMatchObject({ created: true });
    await world.fill(k, 'a');
    await expect(nextEvents(stream, 1)).resolves.toEqual(['PUT a=a']);
  });

  test('a watcher receives the deletion of keys whose lease has ended', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'v', { lease });
    await world.put(k('b'), 'v', { lease });
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, prev_kv: true });
    await world.client.call('etcdserverpb.Lease/LeaseRevoke', { ID: lease });
    const answer = await stream.next();
    expect(told(answer).toSorted()).toEqual(['DELETE a', 'DELETE b']);
    expect(answer.events.map((event) => event.prev_kv?.lease)).toEqual([lease, lease]);
  });

  test('a write is seen by every watcher that was created before it was acknowledged', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    const at = revision(await world.put(k('a')));
    const { events } = await stream.next();
    expect(events[0]?.kv.mod_revision).toBe(String(at));
  });

  test('a negative start revision is not the current revision', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    using stream = world.watch();
    stream.send({ create_request: { ...k.all, start_revision: -1 } });
    const answer = await stream.next();
    expect(answer.created).toBe(true);
    if (answer.canceled) expect(answer.cancel_reason).toBe(etcdErrors.compacted.details);
  });

  test('an event of 1.4 MB', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, prev_kv: true });
    const value = Buffer.alloc(1_400_000, 'abc');
    await world.put(k('a'), value);
    await world.remove({ key: k('a') });
    expect((await stream.next()).events[0]?.kv.value.equals(value)).toBe(true);
    expect((await stream.next()).events[0]?.prev_kv?.value.equals(value)).toBe(true);
  });

  test('a watcher that does not read for a while misses nothing, and its neighbour waits for nothing', async () => {
    const k = world.keys();
    using slow = world.watch();
    await createWatcher(slow, k.all);
    using quick = world.watch();
    await createWatcher(quick, k.all);
    slow.pause();
    const value = Buffer.alloc(100_000, 'x');
    for (let i = 0; i < 40; i += 1) await world.put(k(`key-${i}`), value);
    expect(await nextEvents(quick, 40)).toHaveLength(40);
    slow.resume();
    expect(await nextEvents(slow, 40)).toHaveLength(40);
  });

  test('the client takes its stream away, and the server goes on for the others', async () => {
    const k = world.keys();
    const gone = world.watch();
    await createWatcher(gone, k.all);
    using stays = world.watch();
    await createWatcher(stays, k.all);
    gone.cancel();
    await world.fill(k, 'a');
    await expect(nextEvents(stays, 1)).resolves.toEqual(['PUT a=a']);
  });
}
