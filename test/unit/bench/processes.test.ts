/** That nothing which the bench starts outlives it. With real processes, since that is all there is to it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Processes } from '../../../bench/processes.ts';
import { freePort } from '../../../src/cli/free-port.ts';
import { until } from '../../support/until.ts';

const listening = 'require("node:net").createServer().listen(Number(process.argv[1]), "127.0.0.1")';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function startListener(processes: Processes) {
  const port = await freePort(0);
  return processes.start('listener', process.execPath, ['-e', listening, String(port)], port);
}

describe('processes of the bench', () => {
  test('are gone with their directory when it is done, nested ones included', async () => {
    const processes = new Processes();
    const nested = new Processes(processes);
    const pids = [(await startListener(processes)).pid, (await startListener(nested)).pid];
    expect(pids.map(isAlive)).toEqual([true, true]);
    await processes[Symbol.asyncDispose]();
    expect(pids.map(isAlive)).toEqual([false, false]);
    expect(existsSync(processes.directory)).toBe(false);
  });

  test('are gone when it is interrupted', async () => {
    const processes = new Processes();
    const started = await startListener(new Processes(processes));
    const exit = once(started.child, 'exit');
    processes.killAllNow();
    await exit;
    expect(isAlive(started.pid)).toBe(false);
    expect(existsSync(processes.directory)).toBe(false);
  });

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('are gone when %s ends it, and its exit code is %i', async (signal, code) => {
    const program = `
      import { Processes } from './bench/processes.ts';
      const processes = new Processes();
      processes.killAtExit();
      const sleeping = processes.spawnTalking(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
      console.log(JSON.stringify({ pid: sleeping.pid, directory: processes.directory }));
    `;
    const bench = spawn(process.execPath, ['--input-type=module', '-e', program]);
    const [line] = await once(bench.stdout, 'data');
    const { pid, directory } = JSON.parse(line);
    expect([isAlive(pid), existsSync(directory)]).toEqual([true, true]);
    const end = once(bench, 'exit');
    bench.kill(signal);
    expect(await end).toEqual([code, null]);
    await until('end of the process', () => !isAlive(pid));
    expect(existsSync(directory)).toBe(false);
  });

  test('that end before they listen say why', async () => {
    await using processes = new Processes();
    const args = ['-e', 'console.error("no such flag"); process.exit(64)'];
    const start = processes.start('broken', process.execPath, args, await freePort(0));
    await expect(start).rejects.toThrow(/^broken ended with 64 before it listened: no such flag$/);
  });

  test('that do not exist are an error and no crash', async () => {
    await using processes = new Processes();
    const start = processes.start('nobody', 'etcd-bulkhead-no-such-program', [], await freePort(0));
    await expect(start).rejects.toThrow(/ENOENT/);
    await expect(processes.run('etcd-bulkhead-no-such-program', [])).rejects.toThrow(/ENOENT/);
  });

  test('that fail are reported with what they said', async () => {
    await using processes = new Processes();
    const args = ['-e', 'console.error("disk full"); process.exit(3)'];
    await expect(processes.run(process.execPath, args)).rejects.toThrow(/ended with 3: disk full/);
    await expect(processes.run(process.execPath, ['-p', '1'])).resolves.toBe('1\n');
  });
});
