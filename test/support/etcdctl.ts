/** Runs the distribution's etcdctl, unmodified. Tests check its exit code and everything it printed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { until } from './until.ts';

const endsWithinMs = 30_000;

export class EtcdctlRun implements AsyncDisposable {
  /** What it printed on standard output so far. */
  out = '';
  err = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(address: string, args: readonly string[]) {
    // The environment is its own: ETCDCTL_… variables would become flags.
    const { PATH } = process.env;
    const env = { PATH, ETCDCTL_API: '3', ETCDCTL_ENDPOINTS: address };
    this.#child = spawn('etcdctl', args, { env });
    this.#closed = once(this.#child, 'close');
    // A command may end without having read what was typed.
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
  }

  /** Writes to its standard input. */
  type(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Resolves when it has printed this many lines. */
  async lines(count: number): Promise<string> {
    await until(`${count} lines of etcdctl (${this.err})`, () => {
      return this.out.split('\n').length > count;
    });
    return this.out;
  }

  /** Ends it as Ctrl-C does. */
  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** Its exit code, when it has ended by itself. */
  async ended(): Promise<number | null> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), endsWithinMs);
    await this.#closed;
    clearTimeout(timer);
    return this.#child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
  }
}

export interface Printed {
  readonly code: number | null;
  readonly out: string;
  /** Without the log lines of the client library underneath. */
  readonly err: string;
}

/** Runs one command to its end. `input` is its standard input. */
export async function etcdctl(
  address: string,
  args: readonly string[],
  input = '',
): Promise<Printed> {
  await using run = new EtcdctlRun(address, args);
  run.type(input);
  const code = await run.ended();
  return { code, out: run.out, err: withoutLog(run.err) };
}

function withoutLog(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('{"level":'))
    .join('\n');
}
