/** `etcd-bulkhead top` against a running proxy: once, in a loop without a terminal, and in a real terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { Program, runProgram } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('top');
const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const hostileKey = Buffer.from('players/\x1b[31m\x07/1', 'latin1');
const visibleKey = 'players/\\x1b[31m\\x07/1';
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const adminPath = () => join(directory.path, 'admin.sock');

async function startProxy(): Promise<{ program: Program; address: string }> {
  const program = new Program([
    ...['run', `--endpoints=${etcd.address}`, '--namespace=game/', '--listen-addr=127.0.0.1:0'],
    `--admin-addr=unix://${adminPath()}`,
  ]);
  const { addresses } = await program.serving();
  return { program, address: addresses[0] ?? '' };
}

async function put(address: string, times = 20): Promise<void> {
  using client = grpcClient(address);
  for (let i = 0; i < times; i++) {
    await client.call('etcdserverpb.KV/Put', { key: hostileKey, value: Buffer.from('v') });
  }
}

test('--once --json prints rates, keys and endpoints', async () => {
  const { program, address } = await startProxy();
  using _proxy = program;
  await put(address);
  const args = ['top', `--admin-addr=unix://${adminPath()}`, '--once', '--interval=500ms'];
  const json = runProgram([...args, '--json']);
  await put(address);
  const { out, code } = await json;
  expect(code).toBe(0);
  const view = JSON.parse(out);
  expect(view.tenants).toEqual([expect.objectContaining({ tenant: 'default' })]);
  expect(view.tenants[0].callsPerSecond).toBeGreaterThanOrEqual(0);
  expect(view.keys[0]).toMatchObject({ tenant: 'default', key: visibleKey });
  expect(view.endpoints).toEqual([expect.objectContaining({ name: etcd.address })]);
  const plain = await runProgram(args);
  expect(plain.out).toContain(visibleKey);
  expect(plain.out).toMatch(/^[\x20-\x7e…\n]*$/);
});

test('without a proxy --once fails with the reason', async () => {
  const { code, err } = await runProgram(['top', '--once', '--admin-addr=127.0.0.1:1']);
  expect(code).toBe(1);
  expect(err).toContain('cannot read 127.0.0.1:1: connect ECONNREFUSED');
});

describe('in a loop', () => {
  let child: ChildProcess | null = null;
  let printed = '';

  function start(command: string, args: readonly string[]): ChildProcess {
    printed = '';
    child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdout?.setEncoding('latin1').on('data', (text: string) => {
      printed += text;
    });
    return child;
  }

  const args = () => [main, 'top', `--admin-addr=unix://${adminPath()}`, '--interval=200ms'];

  test('it survives a restart of the proxy, without a terminal', async () => {
    const first = await startProxy();
    const top = start(process.execPath, args());
    using _killed = { [Symbol.dispose]: () => void top.kill('SIGKILL') };
    await until('the tenant', () => printed.includes('default'), 20_000);
    first.program.kill('SIGKILL');
    await first.program.ended;
    await until('the failure', () => printed.includes('; trying again'), 20_000);
    const second = await startProxy();
    using _second = second.program;
    printed = '';
    await until('the tenant again', () => /^default .* +\d/m.test(printed), 20_000);
    expect(printed).not.toContain('\x1b');
    const ended = once(top, 'exit');
    top.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });

  test('in a terminal it draws in place, sorts with s and ends with q', async () => {
    const { program, address } = await startProxy();
    using _proxy = program;
    await put(address);
    // util-linux's script runs a command in a pseudo-terminal.
    const command = [process.execPath, ...args()].join(' ');
    const top = start('script', ['-qec', `stty cols 150 rows 40; exec ${command}`, '/dev/null']);
    using _killed = { [Symbol.dispose]: () => void top.kill('SIGKILL') };
    await until('the first frame', () => printed.includes('by calls'), 20_000);
    expect(printed).toContain('\x1b[?1049h');
    expect(printed).toContain('\x1b[H');
    await until('the keys', () => printed.includes(visibleKey), 20_000);
    expect(printed).not.toContain(hostileKey.toString('latin1'));
    top.stdin?.write('s');
    await until('the next order', () => printed.includes('by errors'), 20_000);
    const ended = once(top, 'exit');
    top.stdin?.write('q');
    expect(await ended).toEqual([0, null]);
    expect(printed).toContain('\x1b[?1049l');
  });
});
