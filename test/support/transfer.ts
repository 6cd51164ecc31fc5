/** The commands that transfer keys, as processes with binary input and output, and the stores that they leave behind. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { atExit } from './at-exit.ts';
import type { GrpcClient } from './client.ts';

const source = new URL('../../src/main.ts', import.meta.url).pathname;

export interface TransferResult {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

export class Transfer implements Disposable {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #closed: Promise<unknown>;
  readonly #err: Promise<string>;
  readonly #unregister = atExit(() => this.child.kill('SIGKILL'));

  /** None of this process's environment gets there but PATH and `environment`. */
  constructor(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const env = { PATH: process.env['PATH'] ?? '', ...environment };
    this.child = spawn(process.execPath, [source, ...args], {
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin.on('error', () => {});
    this.#closed = once(this.child, 'close');
    this.#err = text(this.child.stderr);
  }

  /** Reads standard output, which was not read before, to the end of the process. */
  async finish(input?: Uint8Array): Promise<TransferResult> {
    this.child.stdin.end(input);
    const out = await buffer(this.child.stdout);
    await this.#closed;
    return { code: this.child.exitCode, out, err: await this.#err };
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
    this.#unregister();
  }
}

export async function transfer(
  args: readonly string[],
  input?: Uint8Array,
  environment?: Readonly<Record<string, string>>,
): Promise<TransferResult> {
  using run = new Transfer(args, environment);
  return await run.finish(input);
}

export interface StoredKey {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly lease: string;
}

/** The keys of a prefix, without the prefix. */
export async function stored(client: GrpcClient, prefix: string): Promise<readonly StoredKey[]> {
  const { kvs } = await client.call('etcdserverpb.KV/Range', {
    key: Buffer.from(prefix === '' ? '\0' : prefix),
    range_end: prefix === '' ? Buffer.of(0) : endOf(prefix),
  });
  const skipped = Buffer.byteLength(prefix);
  return kvs.map(({ key, value, lease }) => ({ key: key.subarray(skipped), value, lease }));
}

/** Without leases, for comparisons. */
export function plain(keys: readonly StoredKey[]): readonly [string, string][] {
  return keys.map(({ key, value }) => [key.toString('hex'), value.toString('base64')]);
}

function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}
