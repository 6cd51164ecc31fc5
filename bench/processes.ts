/**
 * Every process that the benchmark starts, and the directory that they write to. Guarantee: no process and no file is left
 * when the benchmark ends, also after an error or Ctrl-C. The processes hold no data, so they are killed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const startTimeoutMs = 20_000;
const startPollMs = 20;
/** How much of a process's log is included in the error if it does not start. */
const logTailChars = 800;

export interface Started {
  readonly pid: number;
  readonly child: ChildProcess;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export class Processes {
  /** A new directory in the system's temporary directory, removed at the end. */
  readonly directory: string;
  readonly #live = new Set<ChildProcess>();
  readonly #nested = new Set<Processes>();
  readonly #parent: Processes | null;
  #count = 0;

  /** A group with a parent ends with the parent at the latest, and its directory is in the parent's. */
  constructor(parent: Processes | null = null) {
    this.#parent = parent;
    this.directory = mkdtempSync(join(parent?.directory ?? tmpdir(), 'etcd-bulkhead-bench-'));
    if (parent !== null) {
      parent.#nested.add(this);
    }
  }

  /** A new directory in `directory`. */
  makeDirectory(name: string): string {
    const path = join(this.directory, name);
    mkdirSync(path);
    return path;
  }

  /** A path in `directory` that no earlier call has returned. */
  newFile(name: string): string {
    this.#count += 1;
    return join(this.directory, `${this.#count}-${name}`);
  }

  /**
   * Starts a long-lived process whose output goes to a log file, and waits until it accepts connections on `port`.
   * Rejects with the end of that log if the process ends first or takes too long.
   */
  async start(
    name: string,
    command: string,
    args: readonly string[],
    port: number,
  ): Promise<Started> {
    const logFile = this.newFile(`${name}.log`);
    const log = openSync(logFile, 'w');
    const child = spawn(command, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#adopt(child);
    let failure: string | null = null;
    child.once('error', (error) => {
      failure = error.message;
    });
    child.once('exit', (code, signal) => {
      failure = `ended with ${code ?? signal} before it listened`;
    });
    const deadlineMs = performance.now() + startTimeoutMs;
    while (performance.now() < deadlineMs && failure === null) {
      if ((await accepts(port)) && child.pid !== undefined) {
        return { pid: child.pid, child };
      }
      await sleep(startPollMs);
    }
    const why = failure ?? `does not listen after ${startTimeoutMs} ms`;
    const said = readFileSync(logFile, 'utf8').slice(-logTailChars).trim();
    throw new Error(`${name} ${why}${said === '' ? '' : `: ${said}`}`);
  }

  /** Runs a command and returns its standard output. Rejects if it fails. */
  async run(command: string, args: readonly string[], cwd?: string): Promise<string> {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd });
    this.#adopt(child);
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (code === 0) {
          resolve(output);
        } else {
          reject(
            new Error(`${command} ended with ${code ?? signal}: ${(errors || output).slice(-800)}`),
          );
        }
      });
    });
  }

  /** Starts a process that reports over its standard output. It ends when it is killed, or with the benchmark. */
  spawnTalking(command: string, args: readonly string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#adopt(child);
    return child;
  }

  /** Kills one process and waits for its end. */
  async kill(child: ChildProcess): Promise<void> {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    }
  }

  /** Kills all when the benchmark ends without disposing of them, also by Ctrl-C or SIGTERM. */
  killAtExit(): void {
    process.once('exit', () => this.killAllNow());
    // The exit codes that shells report for the two signals.
    process.once('SIGINT', () => process.exit(130));
    process.once('SIGTERM', () => process.exit(143));
  }

  /** Does not wait; for use when the benchmark itself is about to end. */
  killAllNow(): void {
    for (const nested of this.#nested) {
      nested.killAllNow();
    }
    for (const child of this.#live) {
      child.kill('SIGKILL');
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#nested].map((nested) => nested[Symbol.asyncDispose]()));
    await Promise.all([...this.#live].map((child) => this.kill(child)));
    if (this.#parent !== null) {
      this.#parent.#nested.delete(this);
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  #adopt(child: ChildProcess): void {
    this.#live.add(child);
    child.once('exit', () => this.#live.delete(child));
    child.once('error', () => this.#live.delete(child));
  }
}
