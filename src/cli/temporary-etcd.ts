/**
 * A single-member etcd that ends with this process, on free ports of 127.0.0.1 and with a temporary data directory. The
 * cleanup also runs when the process ends with an error. All data is lost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.ts';
import { isHealthy, memberEnvironment, memberFlags } from './etcd-member.ts';
import { freePort } from './free-port.ts';

const startupMs = 20_000;
const pollMs = 50;
const stopMs = 5_000;
const outputBytesMax = 4096;
const attemptsMax = 3;
/** The text with which etcd reports `EADDRINUSE`. */
const portTaken = 'address already in use';

export class TemporaryEtcd implements AsyncDisposable {
  /** `host:port` for clients. */
  readonly address: string;
  /** Resolves with a reason when etcd has ended. */
  readonly exited: Promise<string>;
  readonly #clock: Clock;
  readonly #child: ChildProcess;
  readonly #dataDir: string;
  readonly #clientUrl: string;
  /** The last output of etcd, for the error message if it does not start. */
  #output = '';
  #hasExited = false;

  private constructor(binary: string, clock: Clock, [clientPort, peerPort]: [number, number]) {
    this.#clock = clock;
    this.address = `127.0.0.1:${clientPort}`;
    this.#dataDir = mkdtempSync(join(tmpdir(), 'etcd-bulkhead-dev-'));
    process.once('exit', this.#onExit);
    this.#clientUrl = `http://${this.address}`;
    const flags = memberFlags({
      name: 'default',
      dataDir: this.#dataDir,
      clientUrl: this.#clientUrl,
      peerUrl: `http://127.0.0.1:${peerPort}`,
    });
    this.#child = spawn(
      binary,
      [...flags, '--logger=zap', '--log-level=warn'],
      // In its own process group, so that Ctrl-C does not reach it: it is stopped after the proxy has drained.
      { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: memberEnvironment() },
    );
    this.#child.stdout?.on('data', this.#onOutput);
    this.#child.stderr?.on('data', this.#onOutput);
    const { promise, resolve } = Promise.withResolvers<string>();
    this.exited = promise;
    const onExit = (reason: string) => {
      this.#hasExited = true;
      resolve(reason);
    };
    this.#child.once('error', (error) => onExit(error.message));
    this.#child.once('close', (code, signal) => {
      onExit(`exited with ${signal ?? code}: ${this.#output.trim()}`);
    });
  }

  /**
   * Resolves when etcd is healthy. Tries other ports if another process has bound one meanwhile. If etcd does not start,
   * cleans up and rejects.
   */
  static async start(binary: string, clock: Clock): Promise<TemporaryEtcd> {
    for (let attempt = 1; ; attempt += 1) {
      const etcd = new TemporaryEtcd(binary, clock, [await freePort(0), await freePort(0)]);
      const failure = await etcd.#untilHealthy();
      if (failure === null) return etcd;
      await etcd[Symbol.asyncDispose]();
      if (!failure.includes(portTaken) || attempt === attemptsMax) {
        throw new Error(`${binary} ${failure}`);
      }
    }
  }

  /** Resolves with `null` when etcd is healthy, or with the reason why it does not become healthy. */
  async #untilHealthy(): Promise<string | null> {
    const giveUpMs = this.#clock.nowMs() + startupMs;
    while (!(await isHealthy(this.#clientUrl))) {
      await Promise.race([this.exited, wait(this.#clock, pollMs)]);
      if (this.#hasExited) return this.exited;
      if (this.#clock.nowMs() >= giveUpMs) return `is not healthy: ${this.#output.trim()}`;
    }
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasExited) {
      this.#child.kill('SIGTERM');
      await Promise.race([this.exited, wait(this.#clock, stopMs)]);
    }
    process.removeListener('exit', this.#onExit);
    this.#onExit();
  }

  /** Synchronous, because no asynchronous work runs while a process exits. */
  readonly #onExit = (): void => {
    if (!this.#hasExited) this.#child.kill('SIGKILL');
    rmSync(this.#dataDir, { recursive: true, force: true, maxRetries: 5 });
  };

  readonly #onOutput = (chunk: Buffer): void => {
    this.#output = (this.#output + chunk.toString()).slice(-outputBytesMax);
  };
}

function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}
