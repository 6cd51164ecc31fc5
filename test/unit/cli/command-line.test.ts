/** The program as it is started: another process, its exit code and what it prints. Nothing here needs an etcd. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { runProgram as run } from '../../support/program.ts';

const directory = mkdtempSync(join(tmpdir(), 'bulkhead-cli-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const elsewhere = '--endpoints=127.0.0.1:1';

describe('--help', () => {
  test('lists the commands', async () => {
    const { code, out } = await run(['--help']);
    expect(code).toBe(0);
    for (const name of ['run', 'dev', 'grpc-proxy start', 'check-config', 'print-config']) {
      expect(out).toContain(`  ${name} `);
    }
  });

  test('of a command lists its flags and its own defaults', async () => {
    const { code, out } = await run(['grpc-proxy', 'start', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('--listen-addr addresses');
    expect(out).toContain('(default 127.0.0.1:23790)');
  });
});

test('version says what is running', async () => {
  for (const argument of ['version', '--version']) {
    const { code, out } = await run([argument]);
    expect([code, out]).toEqual([
      0,
      expect.stringMatching(/^etcd-bulkhead \d+\.\d+\.\d+ \(node v/),
    ]);
  }
});

describe('a wrong command line or configuration ends with 64 before a port is bound', () => {
  test('an unknown command, with what was meant', async () => {
    expect(await run(['chekc-config'])).toEqual({
      code: 64,
      out: '',
      err: expect.stringContaining('unknown command "chekc-config"; did you mean "check-config"?'),
    });
    expect((await run(['grpc-proxy', 'stop'])).err).toContain('did you mean "grpc-proxy start"?');
  });

  test('every mistake at once', async () => {
    const file = join(directory, 'wrong.yaml');
    writeFileSync(
      file,
      'tenants: [{name: a, namespace: g/}, {name: b, namespace: g/1/}]\nlog-levl: info\n',
    );
    const { code, err } = await run([elsewhere, '--hold=5', `--config=${file}`, '--nope']);
    expect(code).toBe(64);
    expect(err.split('\n').map((line) => line.trim().replace(directory, '…'))).toEqual([
      'etcd-bulkhead: the configuration has 5 mistakes; nothing was started',
      '--nope: unknown flag',
      '…/wrong.yaml:2: unknown key "log-levl"; did you mean "log-level"?',
      '--hold: "5" is not a duration such as 500ms, 5s or 1m30s',
      'listeners: the list is missing: with several tenants it says who connects where',
      '…/wrong.yaml:1: tenant "b": its namespace lies within that of tenant "a"',
      '',
    ]);
  });

  test('without endpoints the default is where the proxy itself listens, and that is said', async () => {
    const { code, err } = await run([]);
    expect(code).toBe(64);
    expect(err).toContain('is where this proxy itself listens');
  });

  test('a namespace without a delimiter is named by the flag that gave it', async () => {
    const { code, err } = await run(['check-config', elsewhere, '--namespace=game-1']);
    expect(code).toBe(64);
    expect(err).toContain('--namespace: the namespace "game-1" must end in "/"');
  });
});

test('check-config starts nothing', async () => {
  expect(await run(['check-config', elsewhere, '--namespace=game-1/'])).toEqual({
    code: 0,
    out: 'the configuration is right\n',
    err: '',
  });
});

test('what print-config prints is a file with which print-config prints the same values', async () => {
  const tenants = 'tenants: [{name: a, namespace: a/}, {name: b, namespace: "b/", lease-tag: 7}]';
  const listeners = 'listeners: [{address: ":2379", tenant: a}, {address: "unix:///b", tenant: b}]';
  const first = join(directory, 'first.yaml');
  const second = join(directory, 'second.yaml');
  writeFileSync(first, `${tenants}\n${listeners}\nhold: 1s\n`);
  const printed = await run(['print-config', elsewhere, `--config=${first}`], {
    ETCD_BULKHEAD_LOG_KEYS: 'true',
  });
  expect(printed).toMatchObject({ code: 0, err: '' });
  expect(printed.out).toMatch(/^hold: 1s # .*first\.yaml:3$/m);
  expect(printed.out).toMatch(/^log-keys: true # ETCD_BULKHEAD_LOG_KEYS$/m);
  writeFileSync(second, printed.out);
  const again = await run(['print-config', `--config=${second}`]);
  const values = (text: string) => text.replaceAll(/ #.*/g, '');
  expect(values(again.out)).toBe(values(printed.out));
});

describe('grpc-proxy start', () => {
  test('refuses what it would have to ignore at the cost of whoever asked', async () => {
    const { code, err } = await run([
      'grpc-proxy',
      'start',
      '--auto-tls',
      '--resolver-prefix=p',
      '--tls-min-version=TLS1.2',
    ]);
    expect(code).toBe(64);
    expect(err).toContain('--auto-tls: is not supported');
    expect(err).toContain('--resolver-prefix: is not supported');
    expect(err).not.toContain('tls-min-version');
  });
});
