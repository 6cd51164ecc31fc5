/**
 * What all clients of the load have in common: how they connect, how their keys are called, and when they stop. A client
 * behaves as etcd's own: it balances over the addresses that it has and redials soon. Every call has a deadline.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { GrpcClient } from '../../support/client.ts';
import type { Seeded } from '../../support/seeded.ts';
import type { Ledger } from '../ledger.ts';

/** Of unary calls. */
export const callTimeoutMs = 3_000;
/** After an error. */
const againInMs = 50;

const options = {
  'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // As the proxy pings etcd.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
};

export interface LoadClientOptions {
  readonly name: string;
  /** `host:port` of one or more servers that serve the same. */
  readonly addresses: readonly string[];
  /** What the client adds to its keys, so that they are stored in the same place on every path. */
  readonly prefix: string;
  readonly ledger: Ledger;
  readonly chance: Seeded;
}

export class LoadClient implements AsyncDisposable {
  readonly name: string;
  protected readonly grpc: GrpcClient;
  protected readonly ledger: Ledger;
  protected readonly chance: Seeded;
  readonly #prefix: string;
  readonly #stop = new AbortController();
  readonly #loops: Promise<void>[] = [];

  constructor({ name, addresses, prefix, ledger, chance }: LoadClientOptions) {
    this.name = name;
    this.ledger = ledger;
    this.chance = chance;
    this.#prefix = prefix;
    // Clients begin with different members.
    const first = chance.below(addresses.length);
    const target = `ipv4:${[...addresses.slice(first), ...addresses.slice(0, first)].join(',')}`;
    this.grpc = new GrpcClient(target, credentials.createInsecure(), options);
  }

  /** Resolves when the client has finished its last call. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.grpc[Symbol.dispose]();
  }

  protected get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  protected onStop(act: () => void): void {
    this.#stop.signal.addEventListener('abort', act);
  }

  /** A key as the client sends it. */
  protected key(name: string): Buffer {
    return Buffer.from(this.#prefix + name);
  }

  /** A key that the client has received, without the prefix. */
  protected nameOf(key: Buffer): string {
    return key.toString().slice(this.#prefix.length);
  }

  /** Repeats `step` until the client stops. An error counts as one of `call`. */
  protected repeat(call: string, pauseMs: () => number, step: () => Promise<void>): void {
    this.#loops.push(this.#run(call, pauseMs, step));
  }

  async #run(call: string, pauseMs: () => number, step: () => Promise<void>): Promise<void> {
    while (!this.isStopped) {
      let ms = againInMs;
      try {
        await step();
        ms = pauseMs();
      } catch (error) {
        if (!this.isStopped) this.ledger.onError(call, error);
      }
      await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
    }
  }
}
