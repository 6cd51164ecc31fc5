/** What can be at the path of a Unix socket before the server binds it. */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bind } from '../../../src/grpc/bind.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('bind');
afterAll(() => directory[Symbol.dispose]());
const inDirectory = (name: string) => join(directory.path, name);

async function errorOf(path: string): Promise<string> {
  const server = createServer();
  try {
    await bind(server, { path });
    server.close();
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

/** The socket file of a process that was killed. */
function abandonedSocket(path: string): void {
  const script = `require('net').createServer().listen('${path}', () => process.kill(process.pid, 'SIGKILL'))`;
  try {
    execFileSync(process.execPath, ['-e', script]);
  } catch {
    // The process was killed.
  }
  expect(lstatSync(path).isSocket()).toBe(true);
}

test('a regular file is not deleted', async () => {
  const path = inDirectory('file');
  writeFileSync(path, 'precious');
  expect(await errorOf(path)).toBe(`cannot listen on ${path}: it exists and is not a socket`);
  expect(readFileSync(path, 'utf8')).toBe('precious');
});

test('a symbolic link, a directory and a pipe are not deleted', async () => {
  const target = inDirectory('target');
  abandonedSocket(target);
  const paths = ['link', 'dangling', 'directory', 'pipe'].map(inDirectory);
  const [link = '', dangling = '', folder = '', pipe = ''] = paths;
  symlinkSync(target, link);
  symlinkSync(inDirectory('nowhere'), dangling);
  mkdirSync(folder);
  execFileSync('mkfifo', [pipe]);
  for (const path of paths) {
    expect(await errorOf(path)).toBe(`cannot listen on ${path}: it exists and is not a socket`);
    expect(lstatSync(path).isSocket()).toBe(false);
  }
  expect(lstatSync(target).isSocket()).toBe(true);
});

test('the socket of a process that was killed is replaced', async () => {
  const path = inDirectory('abandoned');
  abandonedSocket(path);
  expect(await errorOf(path)).toBe('');
});

test('the file of a socket has the mode and the group of its permissions', async () => {
  const path = inDirectory('permissions');
  // Only root may use a group that it is not a member of.
  const gid = process.getuid?.() === 0 ? 12_345 : (process.getgid?.() ?? 0);
  const server = createServer();
  await bind(server, { path, permissions: { mode: 0o620, gid } });
  const file = lstatSync(path);
  server.close();
  expect([(file.mode & 0o777).toString(8), file.gid]).toEqual(['620', gid]);
});

test('a socket on which another process listens is not replaced', async () => {
  const path = inDirectory('served');
  const server = createServer();
  await bind(server, { path });
  expect(await errorOf(path)).toMatch(/EADDRINUSE/);
  expect(lstatSync(path).isSocket()).toBe(true);
  server.close();
});
