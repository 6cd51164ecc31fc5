/**
 * HAProxy as a load balancer in tests: taken from the PATH, or unpacked from Debian's packages into the user's cache. Null if
 * neither is possible: tests that need it are skipped then.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';
import { cacheFolder, debianFile, isProgram } from './cached-programs.ts';

/** The package, and libraries of its own that few machines have. */
const packages = [
  ...(['haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1'] as const),
] as const;

export const haproxy: string | null = (await isProgram('haproxy', ['-v']))
  ? 'haproxy'
  : await debianFile(packages, 'usr/sbin/haproxy');

const architecture = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const libraries = join(cacheFolder, `debian-haproxy/usr/lib/${architecture}-linux-gnu`);
const env = { ...process.env, LD_LIBRARY_PATH: libraries };

/** What it prints about a configuration, and whether it accepts it. */
export function checkHaproxy(file: string): { readonly isValid: boolean; readonly output: string } {
  const args = ['-c', '-f', file];
  const { status, stdout, stderr } = spawnSync(haproxy ?? 'haproxy', args, {
    env,
    encoding: 'utf8',
  });
  return { isValid: status === 0, output: stdout + stderr };
}

export class Haproxy implements AsyncDisposable {
  printed = '';
  readonly #child: ChildProcess;
  readonly #unregister = atExit(() => this.#child.kill('SIGKILL'));

  constructor(file: string) {
    this.#child = spawn(haproxy ?? 'haproxy', ['-db', '-f', file], {
      ...{ env, stdio: ['ignore', 'pipe', 'pipe'] },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.printed += chunk.toString();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await exited;
    }
    this.#unregister();
  }
}
