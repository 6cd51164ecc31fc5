/**
 * Serializable lists on one connection, one at a time, through a proxy that no other client uses. So the proxy's counters show which
 * of them came from memory: these are never older than what the connection has received before.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type GrpcClient, Refused } from '../support/client.ts';
import type { Seeded } from '../support/seeded.ts';
import { names } from '../watches/watch-spec.ts';
import type { Counted } from './counts.ts';
import { CacheCounts } from './counts.ts';

const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
const pauseMs = 10;
const timeoutMs = 5_000;

export class MonotonicReader implements AsyncDisposable {
  readonly problems: string[] = [];
  /** Lists that came from memory. */
  hits = 0;
  readonly #client: GrpcClient;
  readonly #counts: CacheCounts;
  readonly #chance: Seeded;
  readonly #over: Promise<void>;
  #seen = 0;
  #isStopped = false;

  constructor(client: GrpcClient, proxy: Counted, chance: Seeded) {
    this.#client = client;
    this.#counts = new CacheCounts(proxy);
    this.#chance = chance;
    this.#over = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#over;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#learn();
        await this.#list();
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
      await sleep(pauseMs);
    }
  }

  /** Receives a revision that may not have arrived in the range yet. */
  async #learn(): Promise<void> {
    const key = Buffer.from(this.#chance.pick(names), 'latin1');
    const { header } = this.#chance.chance(0.5)
      ? await this.#client.call('etcdserverpb.KV/Put', { key, value: key }, { timeoutMs })
      : await this.#client.call('etcdserverpb.KV/Range', { key }, { timeoutMs });
    this.#seen = Math.max(this.#seen, Number(header?.revision));
  }

  async #list(): Promise<void> {
    await this.#counts.sinceLast();
    const request = { ...everything, serializable: true, count_only: true };
    const { header } = await this.#client.call('etcdserverpb.KV/Range', request, { timeoutMs });
    const revision = Number(header?.revision);
    const { hits } = await this.#counts.sinceLast();
    this.hits += hits;
    if (hits > 0 && revision < this.#seen) {
      this.problems.push(`a list from memory at ${revision}, after ${this.#seen} was received`);
    }
    this.#seen = Math.max(this.#seen, revision);
  }
}
