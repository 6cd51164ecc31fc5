/**
 * The program as it is started: another process, what it prints, and how it ends. Disposing of it kills it, so that no test
 * leaves one behind.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { atExit } from './at-exit.ts';
import { type ServingLine, servingLineIn } from './serving-line.ts';
import { until } from './until.ts';

const source = new URL('../../src/main.ts', import.meta.url).pathname;
/** Written by `npm run build`. */
const compiled = new URL('../../dist/main.js', import.meta.url).pathname;
const printedWithinMs = 30_000;

export interface ProgramOptions {
  /** Limit of open file descriptors. */
  readonly descriptorsMax?: number;
  /** Runs what `npm run build` has written, which starts in less than half of the time. */
  readonly isCompiled?: boolean;
  /** Runs this program instead, for a comparison. */
  readonly other?: string;
}

export class Program implements Disposable {
  out = '';
  err = '';
  /** Exit code, or null and a signal, once everything it printed has arrived. */
  readonly ended: Promise<readonly [number | null, NodeJS.Signals | null]>;
  #hasEnded = false;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #unregister = atExit(() => this.#child.kill('SIGKILL'));

  /** None of this process's environment gets there but PATH. */
  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    { descriptorsMax, isCompiled = false, other }: ProgramOptions = {},
  ) {
    const own = [process.execPath, isCompiled ? compiled : source];
    const program = [...(other === undefined ? own : [other]), ...args];
    const limited = ['sh', '-c', `ulimit -n ${descriptorsMax}; exec "$@"`, 'sh', ...program];
    const [command = '', ...rest] = descriptorsMax === undefined ? program : limited;
    this.#child = spawn(command, rest, {
      env: { PATH: process.env['PATH'] ?? '', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.err += chunk.toString();
    });
    this.#child.once('close', () => {
      this.#hasEnded = true;
    });
    this.ended = once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The first match in what it prints. Rejects when it ends or when time is over before. */
  printed(where: 'out' | 'err', pattern: RegExp): Promise<RegExpExecArray> {
    return this.#read(`output that matches ${pattern}`, () => pattern.exec(this[where]));
  }

  /** The log line with its addresses. Rejects when it ends or when time is over before. */
  serving(): Promise<ServingLine> {
    return this.#read('line of the event "serving"', () => servingLineIn(this.out));
  }

  /** Repeats `read` until its result is not null. What was printed last counts too, so `read` comes before the end. */
  async #read<T>(what: string, read: () => T | null): Promise<T> {
    let found: T | null = null;
    const isFound = () => {
      found = read();
      if (found === null && this.#hasEnded) throw new Error(`it ended: ${this.out}${this.err}`);
      return found !== null;
    };
    await until(() => `${what}: ${this.out}${this.err}`, isFound, printedWithinMs);
    return found as T;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
    this.#unregister();
  }
}

/** Runs it to its end. */
export async function runProgram(
  args: readonly string[],
  environment?: Readonly<Record<string, string>>,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  using program = new Program(args, environment);
  const [code] = await program.ended;
  return { code, out: program.out, err: program.err };
}
