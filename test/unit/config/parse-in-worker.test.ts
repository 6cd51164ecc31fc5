/** Loading without blocking the event loop, with worker threads that run and with some that cannot be started. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, expect, test, vi } from 'vitest';
import { type ConfigSources, loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

vi.mock('node:worker_threads', { spy: true });

const directory = new TemporaryDirectory('load');
afterAll(() => directory[Symbol.dispose]());

const largeFile = join(directory.path, 'large.yaml');
writeFileSync(largeFile, `endpoints: etcd:2379\nhold: 7s\n#${'x'.repeat(64 << 10)}\n`);

const load = (more: Partial<ConfigSources> = {}) =>
  loadConfig({
    flags: new Map([['config', { texts: [largeFile], where: '--config' }]]),
    environment: {},
    checkTenants: () => [],
    ...more,
  });

test('a large file is parsed in a worker thread', async () => {
  expect((await load()).config?.holdMs).toBe(7_000);
  expect(Worker).toHaveBeenCalledTimes(1);
});

test('a worker thread that cannot be started is a problem of the configuration', async () => {
  vi.mocked(Worker).mockImplementationOnce(
    class {
      constructor() {
        throw new Error('no more threads');
      }
    } as unknown as typeof Worker,
  );
  const { config, problems, files } = await load();
  expect(config).toBeNull();
  expect(problems.map(formatProblem)).toEqual([`${largeFile}: cannot be parsed: no more threads`]);
  expect([...files.keys()]).toEqual([largeFile]);
});

test('a file that the caller provides replaces a large one that --config names', async () => {
  const text = 'endpoints: etcd:2379\nhold: 3s\n';
  expect((await load({ file: { name: 'c.yaml', text } })).config?.holdMs).toBe(3_000);
});
