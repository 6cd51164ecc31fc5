/**
 * Builds what the tests of a checkout of etcd need: etcd, etcdctl and the tests. The checkout is not changed. The tests take the
 * programs from a folder, so there is one with etcd itself and one whose `etcd` runs this proxy for `grpc-proxy`.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { TemporaryDirectory } from '../support/temporary-directory.ts';

export interface TestSuite {
  /** The compiled tests. */
  readonly path: string;
  /** The folder in which they expect to run. */
  readonly folder: string;
  readonly tests: readonly string[];
  /** Folders with the programs that the tests start. */
  readonly etcdPrograms: string;
  readonly ownPrograms: string;
}

/** What `npm run build` has written. */
const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');

export class Checkout {
  readonly #folder: string;
  /** From 3.5 on, a checkout has several modules. */
  readonly #hasModules: boolean;
  readonly #built = new TemporaryDirectory('etcd-e2e');

  constructor(folder: string) {
    this.#folder = folder;
    this.#hasModules = existsSync(join(folder, 'server', 'go.mod'));
  }

  get line(): string {
    const file = this.#hasModules ? 'api/version/version.go' : 'version/version.go';
    const source = readFileSync(join(this.#folder, file), 'utf8');
    return /^\s+Version\s+= "([\d.]+)/m.exec(source)?.[1] ?? 'of an unknown release';
  }

  /** `suite` is a folder of tests: `e2e`, or from 3.6 on `common`. */
  build(suite: string): TestSuite {
    if (!existsSync(main)) throw new Error('dist is missing: npm run build');
    const etcdPrograms = join(this.#built.path, 'etcd');
    const ownPrograms = join(this.#built.path, 'own');
    for (const folder of [etcdPrograms, ownPrograms]) mkdirSync(folder);
    const commands = this.#hasModules
      ? { etcd: 'server', etcdctl: 'etcdctl', etcdutl: 'etcdutl' }
      : { etcd: '.', etcdctl: 'etcdctl' };
    for (const [name, folder] of Object.entries(commands)) {
      const built = join(etcdPrograms, name);
      const module = this.#hasModules ? join(this.#folder, folder) : this.#folder;
      const target = this.#hasModules || folder === '.' ? '.' : `./${folder}`;
      go(module, 'build', '-trimpath', '-o', built, target);
      if (name !== 'etcd') symlinkSync(built, join(ownPrograms, name));
    }
    this.#writeWrapper(join(ownPrograms, 'etcd'), join(etcdPrograms, 'etcd'));
    const path = join(this.#built.path, `${suite}.test`);
    const tags = suite === 'common' ? 'e2e cluster_proxy' : 'cluster_proxy';
    const module = this.#hasModules ? join(this.#folder, 'tests') : this.#folder;
    const target = this.#hasModules ? `./${suite}` : `./tests/${suite}`;
    go(module, 'test', '-c', '-trimpath', '-tags', tags, '-o', path, target);
    const folder = join(this.#folder, 'tests', suite);
    const tests = run(folder, path, '-test.list', '^Test').split('\n');
    return {
      ...{ path, folder, etcdPrograms, ownPrograms },
      tests: tests.filter((test) => test.startsWith('Test')),
    };
  }

  #writeWrapper(path: string, etcd: string): void {
    const script = `#!/bin/sh
      if [ "$1" = grpc-proxy ]; then exec '${process.execPath}' '${main}' "$@"; fi
      exec '${etcd}' "$@"
    `;
    writeFileSync(path, script);
    chmodSync(path, 0o755);
  }
}

function go(folder: string, ...args: readonly string[]): void {
  run(folder, 'go', ...args);
}

/** Returns the output. Throws if the command fails, after it has reported why. */
function run(cwd: string, command: string, ...args: readonly string[]): string {
  const { error, status, stdout } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error !== undefined) throw new Error('it needs Go (go.dev/doc/install)', { cause: error });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return stdout;
}
