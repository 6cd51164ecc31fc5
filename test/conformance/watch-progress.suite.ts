/**
 * Progress: the revision up to which a stream has received everything. And fragments: one revision in several
 * responses.
 */
import { expect, test } from 'vitest';
import { ordersProgress, progressNotifyFlag } from '../support/etcd-release.ts';
import type { WatchResponse } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { createWatcher, names, nextEvents, revision, told, useWorld } from './world.ts';

const silenceMs = 200;

export function watchProgressSuite(kind: TargetKind): void {
  const world = useWorld(kind, { args: [progressNotifyFlag('300ms')] });

  /** An etcd that does not order progress may send one response where none is expected. */
  function expectWithheld(answers: readonly WatchResponse[]): void {
    expect(answers.length).toBeLessThanOrEqual(ordersProgress() ? 0 : 1);
    for (const answer of answers) expect(answer).toMatchObject({ watch_id: '-1', events: [] });
  }

  test('a progress request is answered for the whole stream, with the revision of now', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    const now = revision(await world.put(world.keys()('elsewhere')));
    stream.send({ progress_request: {} });
    const progress = await stream.next();
    expect(progress).toMatchObject({
      watch_id: '-1',
      created: false,
      canceled: false,
      compact_revision: '0',
      events: [],
    });
    expect(revision(progress)).toBeGreaterThanOrEqual(now);
    expect(progress.header?.cluster_id).not.toBe('0');
  });

  test('progress comes after every event up to its revision', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    for (let round = 0; round < 10; round += 1) {
      const written = await world.fill(k, 'a', 'b', 'c');
      stream.send({ progress_request: {} });
      const answers: WatchResponse[] = [];
      while (answers.length < 4) answers.push(await stream.next());
      expect(answers.flatMap(told)).toEqual(['PUT a=a', 'PUT b=b', 'PUT c=c']);
      const progress = answers.findIndex((answer) => answer.watch_id === '-1');
      if (ordersProgress()) expect(progress).toBe(3);
      expect(answers[progress]?.events).toEqual([]);
      expect(Number(answers[progress]?.header?.revision)).toBeGreaterThanOrEqual(
        written.at(-1) ?? 0,
      );
    }
  });

  test('one response to a progress request, however many watchers', async () => {
    const k = world.keys();
    using stream = world.watch();
    for (const watch_id of [1, 2, 3]) await createWatcher(stream, { ...k.all, watch_id });
    stream.send({ progress_request: {} });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '-1' });
    await expect(stream.drain(silenceMs)).resolves.toEqual([]);
  });

  test('a progress request on a stream without watchers is not answered', async () => {
    using stream = world.watch();
    stream.send({ progress_request: {} });
    expectWithheld(await stream.drain(silenceMs));
    await createWatcher(stream, world.keys().all);
  });

  test('a progress request is not answered while a watcher waits for the future', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: (await world.now()) + 1000 });
    stream.send({ progress_request: {} });
    expectWithheld(await stream.drain(silenceMs));
  });

  test('progress_notify reports on an idle watcher under its own ID', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, watch_id: 4, progress_notify: true });
    const progress = await stream.next();
    expect(progress).toMatchObject({ watch_id: '4', created: false, canceled: false, events: [] });
    expect(revision(progress)).toBeGreaterThan(0);
  });

  test('progress_notify reports nothing to watchers that did not request it', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, k.all);
    await expect(stream.drain(700)).resolves.toEqual([]);
  });

  // Six values of 900 kB in one transaction cannot be written at once, so the history supplies them.
  async function bigHistory() {
    const k = world.keys();
    const value = Buffer.alloc(900_000, 'x');
    const first = revision(await world.put(k('a'), value));
    for (const name of ['b', 'c', 'd', 'e', 'f']) await world.put(k(name), value);
    return { k, first };
  }

  test('without fragment a batch comes in one response, however large', async () => {
    const { k, first } = await bigHistory();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, start_revision: first });
    const answer = await stream.next();
    expect(answer.fragment).toBe(false);
    expect(names(answer.events.map(({ kv }) => kv))).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });

  test('with fragment a big batch comes in pieces, the last of which says so', async () => {
    const { k, first } = await bigHistory();
    using stream = world.watch();
    await createWatcher(stream, {
      ...k.all,
      start_revision: first,
      fragment: true,
      watch_id: 8,
    });
    const pieces: WatchResponse[] = [];
    do pieces.push(await stream.next());
    while (pieces.at(-1)?.fragment);
    expect(pieces.length).toBeGreaterThan(1);
    const events = pieces.flatMap((piece) => piece.events.map(({ kv }) => kv));
    expect(names(events)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(new Set(pieces.map((piece) => piece.watch_id))).toEqual(new Set(['8']));
    expect(new Set(pieces.map(revision)).size).toBe(1);
  });

  test('with fragment a small batch comes whole', async () => {
    const k = world.keys();
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, fragment: true });
    await world.fill(k, 'a');
    const answer = await stream.next();
    expect(answer.fragment).toBe(false);
    expect(told(answer)).toEqual(['PUT a=a']);
  });

  test('a deletion with large previous values comes in pieces to watchers that requested fragments', async () => {
    const { k } = await bigHistory();
    using pieces = world.watch();
    await createWatcher(pieces, { ...k.all, prev_kv: true, fragment: true });
    using whole = world.watch();
    await createWatcher(whole, { ...k.all, prev_kv: true });
    await world.remove(k.all);
    await expect(nextEvents(pieces, 6)).resolves.toHaveLength(6);
    expect(told(await whole.next())).toHaveLength(6);
  });
}
