/** A lease and its renewals. A renewal without a response in time is sent again on another stream. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrpcClient } from '../../support/client.ts';
import type { Ledger } from '../ledger.ts';
import { callTimeoutMs } from './load-client.ts';
import { Stopwatch } from './stopwatch.ts';

const renewEveryMs = 1_000;
const renewedWithinMs = 3_000;
const againInMs = 100;

export class Session implements AsyncDisposable {
  readonly id: string;
  isLost = false;
  readonly #client: GrpcClient;
  readonly #ledger: Ledger;
  readonly #ttlMs: number;
  readonly #stop = new AbortController();
  readonly #over: Promise<void>;
  /** When the last renewal that has succeeded was sent. */
  #renewedAt: number;

  private constructor(client: GrpcClient, ledger: Ledger, id: string, ttlMs: number) {
    this.#client = client;
    this.#ledger = ledger;
    this.id = id;
    this.#ttlMs = ttlMs;
    this.#renewedAt = performance.now();
    this.#over = this.#renew();
  }

  static async start(client: GrpcClient, ledger: Ledger, ttlSeconds: number): Promise<Session> {
    const request = { TTL: ttlSeconds };
    const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', request, {
      timeoutMs: callTimeoutMs,
    });
    return new Session(client, ledger, ID, ttlSeconds * 1_000);
  }

  /** The time up to which the lease has certainly not expired. */
  get livesUntilMs(): number {
    return this.#renewedAt + this.#ttlMs;
  }

  /** Ends the renewals and leaves the lease to expire. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#over;
  }

  async #renew(): Promise<void> {
    const stopwatch = new Stopwatch(this.#ledger, 'keepalives');
    while (!this.#stop.signal.aborted && !this.isLost) {
      try {
        await this.#renewOn(stopwatch);
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        this.#ledger.onError('keepalive', error);
        await this.#pause(againInMs);
      }
    }
    stopwatch.end();
  }

  async #renewOn(stopwatch: Stopwatch): Promise<void> {
    using stream = this.#client.stream('etcdserverpb.Lease/LeaseKeepAlive');
    const cancel = () => stream.cancel();
    this.#stop.signal.addEventListener('abort', cancel, { once: true });
    try {
      while (!this.#stop.signal.aborted) {
        const sentAt = performance.now();
        stopwatch.begin();
        stream.send({ ID: this.id });
        if ((await stream.next(renewedWithinMs)).TTL === '0') {
          this.isLost = true;
          return;
        }
        stopwatch.succeed();
        this.#renewedAt = sentAt;
        await this.#pause(renewEveryMs);
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', cancel);
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}
