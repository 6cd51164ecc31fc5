/** The watch of files in real directories, with other files beside them that change as well. */
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { FileContents } from '../../../src/config/file-contents.ts';
import { FileWatch } from '../../../src/config/file-watch.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('watch');
afterAll(() => directory[Symbol.dispose]());

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Counts the notifications, and watches the new contents after each, as a reload does. */
async function watched(path: string, meanwhile = () => {}) {
  const counter = { changes: 0 };
  const read = async () => (await FileContents.read([path])).digests;
  const watch = new FileWatch({
    clock: systemClock,
    onChange: () => {
      counter.changes += 1;
      void read().then((digests) => watch.watch(digests));
    },
    onWatchError: (_directory, reason) => {
      throw new Error(reason);
    },
  });
  closers.push(() => watch.close());
  const digests = await read();
  meanwhile();
  watch.watch(digests);
  return counter;
}

function subdirectory(name: string): string {
  const path = join(directory.path, name);
  mkdirSync(path);
  return path;
}

test('a change is noticed although another file of the directory is written every 100 ms', async () => {
  const path = subdirectory('busy');
  const file = join(path, 'c.yaml');
  writeFileSync(file, 'one');
  const watch = await watched(file);
  const timer = setInterval(() => writeFileSync(join(path, 'log'), String(performance.now())), 100);
  closers.push(() => clearInterval(timer));
  await new Promise((resolve) => setTimeout(resolve, 300));
  writeFileSync(file, 'two');
  await until('notification', () => watch.changes === 1, 5_000);
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(watch.changes).toBe(1);
});

test('a change after the file was read and before it is watched is noticed', async () => {
  const file = join(subdirectory('early'), 'c.yaml');
  writeFileSync(file, 'one');
  const watch = await watched(file, () => writeFileSync(file, 'two'));
  await until('notification', () => watch.changes === 1, 5_000);
});

test('the swap of a symbolic link is one change', async () => {
  const path = subdirectory('mount');
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(path, version));
    writeFileSync(join(path, version, 'c.yaml'), version);
  }
  symlinkSync('v1', join(path, '..data'));
  symlinkSync('..data/c.yaml', join(path, 'c.yaml'));
  const watch = await watched(join(path, 'c.yaml'));
  symlinkSync('v2', join(path, '..new'));
  renameSync(join(path, '..new'), join(path, '..data'));
  await until('notification', () => watch.changes === 1, 5_000);
  await new Promise((resolve) => setTimeout(resolve, 700));
  expect(watch.changes).toBe(1);
});
