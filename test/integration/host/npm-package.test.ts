/**
 * The packed npm package, installed into an empty folder and run by npx on every supported line of Node. The oldest line is
 * installed from the registry; without it, only the line of the tests runs.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atExit } from '../../support/at-exit.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { installPacked, nodeFolder, type Packed, pack } from '../../support/packed.ts';
import { servingLineIn } from '../../support/serving-line.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const oldestLine = Number(/^>=(\d+)/.exec(manifest.engines.node)?.[1]);
const oldest = await nodeFolder(oldestLine);
const lines: readonly (readonly [string, string])[] = [
  ['the Node of the tests', dirname(process.execPath)],
  ...(oldest === null ? [] : ([[`Node ${oldestLine}`, oldest]] as const)),
];

const directory = new TemporaryDirectory('npm-package');
const app = join(directory.path, 'app');
let packed: Packed;
let etcd: Etcd;

beforeAll(async () => {
  mkdirSync(app);
  packed = await pack(directory.path);
  [etcd] = await Promise.all([startEtcd(), installPacked(packed, app)]);
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

test('the package has the program and what it reads, and neither sources nor tests', () => {
  const known =
    /^(?:package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.+\.js|dist\/admin\/dashboard\/.+\.(?:html|css|svg)|proto\/(?:README\.md|.+\.proto))$/;
  expect(packed.contents.filter((path) => !known.test(path))).toEqual([]);
  expect(packed.contents).toEqual(
    expect.arrayContaining(['LICENSE', 'CHANGELOG.md', 'README.md', 'dist/main.js']),
  );
});

describe.each(lines)('on %s', (_, bin) => {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH']}` };
  const npx = (...args: string[]) =>
    promisify(execFile)('npx', ['--no-install', 'etcd-bulkhead', ...args], { cwd: app, env });

  test('npx prints the version and the help', async () => {
    const { stdout: help } = await npx('--help');
    const { stdout: version } = await npx('--version');
    expect(version).toContain(manifest.version);
    expect(help).toMatch(/^ {2}run\b/m);
  });

  test.each([1, 2])('npx runs the proxy with --workers=%d, which stores a put', async (workers) => {
    using proxy = new Npx(
      ['run', `--endpoints=${etcd.address}`, `--namespace=packed-${workers}/`],
      [`--workers=${workers}`, '--listen-addr=127.0.0.1:0', '--admin-addr='],
      { cwd: app, env },
    );
    const address = await proxy.address();
    const { out: put } = await etcdctl(address, ['put', 'a', bin]);
    const { out: visible } = await etcdctl(address, ['get', 'a']);
    const { out: stored } = await etcdctl(etcd.address, ['get', `packed-${workers}/a`]);
    expect(put).toBe('OK\n');
    expect(visible).toBe(`a\n${bin}\n`);
    expect(stored).toBe(`packed-${workers}/a\n${bin}\n`);
    expect(await proxy.stopped()).toContain('"callsCutOff":0');
  });
});

/** A process of npx. npm passes signals on to the program. */
class Npx implements Disposable {
  #printed = '';
  readonly #child: ChildProcess;
  /** The group has npx, a shell and the program. */
  readonly #unregister = atExit(() => this.#killGroup());

  constructor(
    command: readonly string[],
    flags: readonly string[],
    options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  ) {
    const args = ['--no-install', 'etcd-bulkhead', ...command, ...flags];
    this.#child = spawn('npx', args, { ...options, detached: true });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output?.setEncoding('utf8').on('data', (text: string) => {
        this.#printed += text;
      });
    }
  }

  async address(): Promise<string> {
    const line = () => servingLineIn(this.#printed);
    await until(
      () => `line that it serves: ${this.#printed}`,
      () => line() !== null,
    );
    return line()?.addresses[0] ?? '';
  }

  /** Sends SIGTERM to all processes, as a service manager does, and resolves with what the program reports at its end. */
  async stopped(): Promise<string> {
    const closed = once(this.#child, 'close');
    process.kill(-(this.#child.pid ?? 0), 'SIGTERM');
    await closed;
    return /.*"event":"stopped".*/.exec(this.#printed)?.[0] ?? this.#printed;
  }

  #killGroup(): void {
    try {
      process.kill(-(this.#child.pid ?? 0), 'SIGKILL');
    } catch {
      // All processes of the group have ended.
    }
  }

  [Symbol.dispose](): void {
    this.#killGroup();
    this.#unregister();
  }
}
