/** Runs scripts/setup.mjs in a temporary folder, with fake programs that log their calls. */
import { execFile } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const script = new URL('../../../scripts/setup.mjs', import.meta.url).pathname;

let directory: TemporaryDirectory;
let root = '';
beforeEach(() => {
  directory = new TemporaryDirectory('setup');
  root = directory.path;
  for (const folder of ['scripts', 'bin']) mkdirSync(join(root, folder));
  copyFileSync(script, join(root, 'scripts', 'setup.mjs'));
  symlinkSync(process.execPath, join(root, 'bin', 'node'));
  for (const shell of ['sh', 'mkdir', 'touch']) {
    const found = ['/bin', '/usr/bin'].map((folder) => join(folder, shell)).find(existsSync);
    if (found !== undefined) symlinkSync(found, join(root, 'bin', shell));
  }
  lock('one');
  program('npm', 'mkdir -p node_modules && touch node_modules/.package-lock.json');
  program('etcd', '');
  program('etcdctl', '');
});
afterEach(() => directory[Symbol.dispose]());

const lock = (content: string) => writeFileSync(join(root, 'package-lock.json'), content);

/** Creates a program in the only folder of the PATH. It logs its arguments and then runs `body`. */
function program(name: string, body: string): void {
  const log = join(root, 'ran');
  const text = `#!/bin/sh\necho "${name} $1 $2" >> ${log}\n${body}\n`;
  writeFileSync(join(root, 'bin', name), text, { mode: 0o755 });
}

function setUp(environment: Record<string, string> = {}) {
  const { promise, resolve } = Promise.withResolvers<{ code: number | null; err: string }>();
  const env = { PATH: join(root, 'bin'), TMPDIR: root, ...environment };
  const file = join(root, 'scripts', 'setup.mjs');
  const child = execFile(process.execPath, [file], { env }, (_error, _out, err) => {
    resolve({ code: child.exitCode, err });
  });
  return promise;
}

const ran = () => {
  const log = join(root, 'ran');
  return existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
};

test('installs once if nothing is installed', async () => {
  expect((await setUp()).code).toBe(0);
  expect(await setUp()).toEqual({ code: 0, err: '' });
  expect(ran()).toEqual(['npm ci --include=dev']);
});

test('installs again if the lock file has changed', async () => {
  await setUp();
  lock('two');
  await setUp();
  expect(ran()).toHaveLength(2);
});

test('accepts dependencies that were installed by hand after the lock file was written', async () => {
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), '');
  expect((await setUp()).code).toBe(0);
  expect(ran()).toEqual([]);
});

test('installs if the dependencies are older than the lock file', async () => {
  mkdirSync(join(root, 'node_modules'));
  writeFileSync(join(root, 'node_modules', '.package-lock.json'), '');
  utimesSync(join(root, 'node_modules', '.package-lock.json'), 1, 1);
  await setUp();
  expect(ran()).toEqual(['npm ci --include=dev']);
});

test('tries npm install if npm ci fails, and fails if both do', async () => {
  program('npm', '[ "$1" = install ] && mkdir -p node_modules');
  expect((await setUp()).code).toBe(0);
  expect(ran()).toEqual(['npm ci --include=dev', 'npm install --no-save']);
  lock('two');
  program('npm', 'exit 1');
  expect(await setUp()).toMatchObject({
    code: 1,
    err: expect.stringContaining('npm could not install the dependencies'),
  });
});

test('two concurrent runs install once', async () => {
  program('npm', 'mkdir -p node_modules && touch node_modules/.package-lock.json');
  const both = await Promise.all([setUp(), setUp()]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(ran()).toEqual(['npm ci --include=dev']);
});

test('prints instructions if etcd cannot be installed', async () => {
  rmSync(join(root, 'bin', 'etcdctl'));
  const { code, err } = await setUp();
  expect(code).toBe(1);
  expect(err).toContain('etcdctl not found');
  expect(err).toContain('apt-get install etcd-client');
  expect(err).toContain('brew install etcd');
});

test('uses the etcd of ETCD_BULKHEAD_ETCD, and fails if it is not a program', async () => {
  rmSync(join(root, 'bin', 'etcd'));
  program('another-etcd', '');
  expect((await setUp({ ETCD_BULKHEAD_ETCD: join(root, 'bin', 'another-etcd') })).code).toBe(0);
  const { code, err } = await setUp({ ETCD_BULKHEAD_ETCD: dirname(root) });
  expect(code).toBe(1);
  expect(err).toContain('which is not an executable program');
});
