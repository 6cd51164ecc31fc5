/**
 * etcd's module of tests, pinned in go.mod. It is copied, because two files of its framework are changed: clients dial a proxy
 * in front of their member, see through_proxy.go. The tests themselves are not changed.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheTests, type Suite } from './suites.ts';

/** The compiled tests of one suite. */
export interface TestProgram {
  readonly path: string;
  /** The folder in which the tests expect to run. */
  readonly folder: string;
}

const here = import.meta.dirname;
const testsName = 'go.etcd.io/etcd/tests/v3';
const cacheName = 'go.etcd.io/etcd/cache/v3';

export class TestModule {
  readonly version: string;
  readonly #folder: string;
  readonly #copy: string;
  readonly #modFile: string;

  /**
   * Copies into `folder`. `checkout` is a checkout of etcd from which the package `cache` is taken. Without one, its tests are
   * left out.
   */
  constructor(folder: string, checkout: string | null) {
    const { Dir: source, Version: version } = JSON.parse(
      go('mod', 'download', '-json', testsName),
    ) as { Dir: string; Version: string };
    this.version = version.slice(1);
    this.#folder = folder;
    this.#copy = join(folder, 'tests');
    this.#modFile = join(folder, 'pinned.mod');
    cpSync(source, this.#copy, { recursive: true });
    makeWritable(this.#copy);
    this.#connectThroughProxy();
    cpSync(join(here, 'go.mod'), this.#modFile);
    cpSync(join(here, 'go.sum'), join(folder, 'pinned.sum'));
    this.#replace(testsName, this.#copy);
    if (checkout === null) rmSync(join(this.#copy, cacheTests));
    else this.#replace(cacheName, join(checkout, 'cache'));
  }

  testsOf({ package: name, files }: Suite): readonly string[] {
    const folder = join(this.#copy, name);
    return readdirSync(folder)
      .filter((file) => file.endsWith('_test.go') && (files?.includes(file) ?? true))
      .flatMap((file) => testsIn(readFileSync(join(folder, file), 'utf8')));
  }

  build({ package: name }: Suite): TestProgram {
    const path = join(this.#folder, `${basename(name)}.test`);
    const flags = ['-c', '-trimpath', `-modfile=${this.#modFile}`, '-o', path];
    go('test', ...flags, `${testsName}/${name}`);
    return { path, folder: join(this.#copy, name) };
  }

  #connectThroughProxy(): void {
    const framework = join(this.#copy, 'framework', 'integration');
    cpSync(join(here, 'through_proxy.go'), join(framework, 'cluster_direct.go'));
    const clients = join(framework, 'testing.go');
    const before = readFileSync(clients, 'utf8');
    const after = before.replace('return clientv3.New(cfg)', 'return newClientV3(cfg)');
    if (after === before) throw new Error(`${clients} does not construct clients as expected`);
    writeFileSync(clients, after);
  }

  #replace(name: string, folder: string): void {
    go('mod', 'edit', `-replace=${name}=${folder}`, this.#modFile);
  }
}

function testsIn(source: string): readonly string[] {
  return Array.from(source.matchAll(/^func (Test\w+)\(\w+ \*testing\.T\)/gm), (match) => match[1])
    .filter((name) => name !== undefined)
    .filter((name) => name !== 'TestMain');
}

/** Files in Go's module cache are read-only, and so are copies of them. */
function makeWritable(folder: string): void {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) makeWritable(path);
    else chmodSync(path, 0o644);
  }
}

/** Returns the output. Throws if the command fails, after Go has reported why. */
function go(...args: readonly string[]): string {
  const { error, status, stdout } = spawnSync('go', args, {
    cwd: here,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error !== undefined) throw new Error('it needs Go (go.dev/doc/install)', { cause: error });
  if (status !== 0) throw new Error(`go ${args.join(' ')} failed`);
  return stdout;
}
