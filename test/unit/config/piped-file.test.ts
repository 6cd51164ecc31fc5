/** Pipes as the configuration file: with a writer that is slow, writes too much, or does not exist. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { appendFile, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { withPipedFile } from '../../../src/config/piped-file.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('pipes');
afterAll(() => directory[Symbol.dispose]());

function newPipe(name: string): string {
  const path = join(directory.path, name);
  execFileSync('mkfifo', [path]);
  return path;
}

function sourcesWith(path: string) {
  const flags = new Map([['config', { texts: [path], where: '--config' }]] as const);
  return { flags, environment: {}, checkTenants: () => [] };
}

test('a pipe is read until its writer closes it, however slowly it writes', async () => {
  const path = newPipe('slow');
  const read = withPipedFile(sourcesWith(path));
  const writer = await open(path, 'w');
  await writer.write('hold: ');
  await new Promise((resolve) => setTimeout(resolve, 60));
  await writer.write('7s\n');
  await writer.close();
  expect(await read).toMatchObject({ file: { name: path, text: 'hold: 7s\n' } });
});

test('a pipe without a writer is given up, and no thread waits for it', async () => {
  expect(await withPipedFile(sourcesWith(newPipe('silent')), 100)).toEqual({
    where: '--config',
    what: 'cannot be read: the pipe was not written and closed within 0.1 s',
  });
});

test('a pipe is read up to 16 MiB', async () => {
  const path = newPipe('endless');
  const written = appendFile(path, Buffer.alloc(17 << 20)).catch((error: Error) => error);
  expect(await withPipedFile(sourcesWith(path))).toEqual({
    where: '--config',
    what: 'cannot be read: larger than 16 MiB',
  });
  expect(await written).toMatchObject({ code: 'EPIPE' });
});

test('a regular file is left to each load', async () => {
  const path = join(directory.path, 'c.yaml');
  writeFileSync(path, 'hold: 7s\n');
  const sources = sourcesWith(path);
  expect(await withPipedFile(sources)).toBe(sources);
});
