/** The program itself: `node src/main.ts run …` as a child process on free ports. Gone when it is disposed of. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atExit } from './at-exit.ts';
import { type ServingLine, servingLineIn } from './serving-line.ts';
import { until } from './until.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export class Sidecar implements AsyncDisposable {
  /** Standard output and standard error, as they came. */
  printed = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #unregister = atExit(() => this.#child.kill('SIGKILL'));

  private constructor(nodeArgs: readonly string[], args: readonly string[]) {
    this.#child = spawn(process.execPath, [...nodeArgs, main, 'run', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#closed = once(this.#child, 'close');
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output?.setEncoding('utf8').on('data', (text: string) => {
        this.printed += text;
      });
    }
  }

  /** Resolves when it says that it serves. */
  static start(...args: string[]): Promise<Sidecar> {
    return Sidecar.startWith([], ...args);
  }

  /** The same, with arguments for Node itself. */
  static async startWith(nodeArgs: readonly string[], ...args: string[]): Promise<Sidecar> {
    const ports = ['--listen-addr=127.0.0.1:0', '--admin-addr=127.0.0.1:0'];
    const sidecar = new Sidecar(nodeArgs, [...ports, ...args]);
    try {
      await until('word that it serves', () => sidecar.#serving !== null);
    } catch (error) {
      await sidecar[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}: ${sidecar.printed}`, { cause: error });
    }
    return sidecar;
  }

  /** Where clients connect, `host:port`. */
  get address(): string {
    return this.#serving?.addresses[0] ?? '';
  }

  /** The HTTP status of a page of the admin address, or 0 if nothing listens there any more. */
  async probe(path: string): Promise<number> {
    try {
      const answer = await fetch(`http://${this.#serving?.admin}${path}`, {
        signal: AbortSignal.timeout(5_000),
      });
      await answer.text();
      return answer.status;
    } catch {
      return 0;
    }
  }

  /** What a page of the admin address says. */
  async page(path: string): Promise<string> {
    const answer = await fetch(`http://${this.#serving?.admin}${path}`, {
      signal: AbortSignal.timeout(5_000),
    });
    return await answer.text();
  }

  /** What the admin address responds to an action. */
  async post(path: string): Promise<string> {
    const answer = await fetch(`http://${this.#serving?.admin}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5_000),
    });
    return await answer.text();
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Its exit code, when it has ended by itself. */
  async ended(withinMs: number): Promise<number | null> {
    await until(`end of the process (${this.printed})`, () => !this.isRunning, withinMs);
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
    this.#unregister();
  }

  get #serving(): ServingLine | null {
    return servingLineIn(this.printed);
  }
}
