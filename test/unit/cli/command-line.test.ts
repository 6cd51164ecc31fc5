/** Runs the program as a separate process and checks its exit code and output. Needs no etcd. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { runProgram as run } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('cli');
afterAll(() => directory[Symbol.dispose]());

const main = new URL('../../../src/main.ts', import.meta.url).pathname;
const elsewhere = '--endpoints=127.0.0.1:1';

describe('--help', () => {
  test('lists the commands', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    for (const name of ['run', 'dev', 'grpc-proxy start', 'check-config', 'print-config']) {
      expect(out).toContain(`  ${name} `);
    }
  });

  test('of a command lists its flags with its own defaults', async () => {
    const { code, out } = await run(['grpc-proxy', 'start', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--listen-addr addresses');
    expect(out).toContain('(default 127.0.0.1:23790)');
  });
});

test('version prints the versions of the program and of Node.js', async () => {
  for (const argument of ['version', '--version']) {
    const { code, out } = await run([argument]);
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^etcd-bulkhead \d+\.\d+\.\d+ \(node v/),
    ]);
  }
});

describe('an invalid command line or configuration exits with 64 before a port is bound', () => {
  test('an unknown command, with a suggestion', async () => {
    expect(await run(['chekc-config'])).toEqual({
      code: 64,
      out: '',
      err: expect.stringContaining('unknown command "chekc-config"; did you mean "check-config"?'),
    });
    expect((await run(['grpc-proxy', 'stop'])).err).toContain('did you mean "grpc-proxy start"?');
  });

  test('all problems at once', async () => {
    const file = join(directory.path, 'wrong.yaml');
    writeFileSync(
      file,
      'tenants: [{name: a, namespace: g/}, {name: b, namespace: g/1/}]\nlog-levl: info\n',
    );
    const { code, err } = await run([elsewhere, '--hold=5', `--config=${file}`, '--nope']);
    expect(code).toBe(64);
    expect(err.split('\n').map((line) => line.trim().replace(directory.path, '…'))).toEqual([
      'etcd-bulkhead: invalid configuration, 5 problems:',
      '--nope: unknown flag',
      '…/wrong.yaml:2: unknown key "log-levl"; did you mean "log-level"?',
      '--hold: must be a duration such as 500ms, 5s or 1m30s, not "5"',
      'listeners: the list is required with more than one tenant',
      '…/wrong.yaml:1: tenant "b": its namespace lies within that of tenant "a"',
      '',
    ]);
  });

  test('the default endpoint, which is the address of the proxy itself', async () => {
    const { code, err } = await run([]);
    expect(code).toBe(64);
    expect(err).toContain(
      '--endpoints: contains 127.0.0.1:2379, where this proxy itself listens (127.0.0.1:2379)',
    );
  });

  test('a namespace without a delimiter, reported at its flag', async () => {
    const { code, err } = await run(['check-config', elsewhere, '--namespace=game-1']);
    expect(code).toBe(64);
    expect(err).toContain('--namespace: the namespace "game-1" must end in "/"');
  });
});

test('check-config starts nothing', async () => {
  expect(await run(['check-config', elsewhere, '--namespace=game-1/'])).toEqual({
    code: 0,
    out: 'the configuration is valid\n',
    err: '',
  });
});

test('the output of print-config is a file with the same effective values', async () => {
  const tenants =
    'tenants: [{name: a, namespace: a/}, {name: b, namespace: "b/", share-watches: false}]';
  const listeners = 'listeners: [{address: ":2379", tenant: a}, {address: "unix:///b", tenant: b}]';
  const first = join(directory.path, 'first.yaml');
  const second = join(directory.path, 'second.yaml');
  const endpoints = 'endpoints: ["unix:///a,b", "etcd:2379"]';
  writeFileSync(first, `${tenants}\n${listeners}\nhold: 1s\n${endpoints}\n`);
  const printed = await run(['print-config', `--config=${first}`], {
    ETCD_BULKHEAD_LOG_KEYS: 'true',
  });
  expect(printed).toMatchObject({ code: 0, err: '' });
  expect(printed.out).toMatch(/^hold: 1s # .*first\.yaml:3$/m);
  expect(printed.out).toContain('endpoints: [ "unix:///a,b", etcd:2379 ]');
  expect(printed.out).toMatch(/^log-keys: on # ETCD_BULKHEAD_LOG_KEYS$/m);
  writeFileSync(second, printed.out);
  const again = await run(['print-config', `--config=${second}`]);
  const values = (text: string) => text.replaceAll(/ #.*/g, '');
  expect(values(again.out)).toBe(values(printed.out));
});

test('a configuration file that can be read only once, such as a pipe, is applied', async () => {
  const script = '"$0" "$1" print-config --config=<(echo "{endpoints: etcd:1, hold: 7s}")';
  const { stdout } = await promisify(execFile)('bash', ['-c', script, process.execPath, main]);
  expect(stdout).toMatch(/^hold: 7s # \/dev\/fd/m);
});

describe('grpc-proxy start', () => {
  test('rejects flags that it cannot safely ignore', async () => {
    const { code, err } = await run([
      'grpc-proxy',
      'start',
      '--experimental-leasing-prefix=p',
      '--experimental-enable-grpc-logging',
      '--tls-min-version=TLS1.2',
      // As etcd's own tests start its proxy: the scheme decides.
      '--endpoints=http://etcd:1',
      '--insecure-skip-tls-verify',
    ]);
    expect(code).toBe(64);
    expect(err).toContain('--experimental-leasing-prefix: not supported');
    expect(err).toContain('--experimental-enable-grpc-logging: not supported');
    expect(err).not.toContain('tls-min-version');
    expect(err).not.toContain('--endpoints');
    expect(err).toContain('2 problems');
  });
});
