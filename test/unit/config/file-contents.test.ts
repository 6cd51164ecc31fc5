/** What can be at the path of a file: regular files, links to them, and everything that must not block the process. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { settingNames, settingOf } from '../../../src/config/schema.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('files');
afterAll(() => directory[Symbol.dispose]());

const pipe = join(directory.path, 'pipe');
execFileSync('mkfifo', [pipe]);

function load(setting: string, path: string) {
  const flags = { endpoints: 'etcd:1', [setting]: path };
  return loadConfig({
    flags: new Map(
      Object.entries(flags).map(([name, text]) => [
        name as (typeof settingNames)[number],
        { texts: [text], where: `--${name}` },
      ]),
    ),
    environment: {},
    checkTenants: () => [],
  });
}

async function problems(setting: string, path: string): Promise<readonly string[]> {
  return (await load(setting, path)).problems.map(formatProblem);
}

describe('a pipe is rejected, and the process does not wait for it', () => {
  const fileSettings = settingNames.filter((name) => settingOf(name).kind === 'file');
  test.each(fileSettings)('at the path of --%s', async (name) => {
    expect(await problems(name, pipe)).toContain(
      `--${name}: cannot be read: not a regular file but a pipe`,
    );
  });

  test('at a path of a listener', async () => {
    const { problems: found } = await loadConfig({
      flags: new Map(),
      environment: {},
      file: {
        name: 'c.yaml',
        text: `endpoints: etcd:1
tenants: [{ name: a, namespace: a/ }]
listeners: [{ address: ":1", tenant: a, cert-file: ${pipe}, key-file: ${pipe} }]`,
      },
      checkTenants: () => [],
    });
    expect(found.map(({ what }) => what)).toEqual([
      '"cert-file" cannot be read: not a regular file but a pipe',
      '"key-file" cannot be read: not a regular file but a pipe',
    ]);
  });
});

test('a directory, a device and a socket are rejected', async () => {
  const socket = join(directory.path, 'socket');
  const server = createServer().listen(socket);
  const rejected = await Promise.all(
    [directory.path, '/dev/zero', socket].map((path) => problems('users-file', path)),
  );
  server.close();
  expect(rejected.flat()).toEqual([
    '--users-file: cannot be read: not a regular file but a directory',
    '--users-file: cannot be read: not a regular file but a device',
    '--users-file: cannot be read: not a regular file but a socket',
  ]);
});

test('a link to a regular file is followed, as in the mounts of Kubernetes', async () => {
  mkdirSync(join(directory.path, 'v1'));
  writeFileSync(join(directory.path, 'v1', 'c.yaml'), 'hold: 7s\n');
  symlinkSync('v1', join(directory.path, '..data'));
  symlinkSync('..data/c.yaml', join(directory.path, 'c.yaml'));
  const { config } = await load('config', join(directory.path, 'c.yaml'));
  expect(config?.holdMs).toBe(7_000);
});

test('a file of more than 16 MiB is rejected', async () => {
  const large = join(directory.path, 'large');
  writeFileSync(large, '');
  truncateSync(large, 16 << 20);
  expect(await problems('users-file', large)).toHaveLength(1);
  expect((await problems('users-file', large))[0]).not.toContain('larger than');
  truncateSync(large, (16 << 20) + 1);
  expect(await problems('users-file', large)).toEqual([
    '--users-file: cannot be read: larger than 16 MiB',
  ]);
});
