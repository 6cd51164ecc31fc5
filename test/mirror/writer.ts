/** A seeded client of the source: writes of every kind that a mirror has to follow, one after another. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GrpcClient } from '../support/client.ts';
import type { RequestOp } from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';

const keysMax = 60;

export class SourceWriter {
  writes = 0;
  /** Attempts that failed, because the source was restarted. */
  failures = 0;
  readonly #client: GrpcClient;
  readonly #prefix: string;
  readonly #random: Seeded;
  #isStopped = false;
  #done: Promise<void> = Promise.resolve();

  constructor(client: GrpcClient, prefix: string, random: Seeded) {
    this.#client = client;
    this.#prefix = prefix;
    this.#random = random;
  }

  start(): void {
    this.#isStopped = false;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#client.call('etcdserverpb.KV/Txn', { success: this.#operations() });
        this.writes += 1;
        if (this.#random.chance(0.3)) await sleep(this.#random.below(12));
      } catch {
        this.failures += 1;
        await sleep(50);
      }
    }
  }

  #operations(): RequestOp[] {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 45) return [this.#put(`k${random.below(keysMax)}`, random.below(400))];
    if (kind < 55) return [this.#delete(`k${random.below(keysMax)}`)];
    if (kind < 58) return [this.#put(`k${random.below(keysMax)}`, 100_000 + random.below(800_000))];
    if (kind < 62) {
      // More changes than a transaction of the mirror may have.
      const size = random.pick([126, 127, 128]);
      return Array.from({ length: size }, (_, i) => this.#put(`many/${i}`, random.below(30)));
    }
    if (kind < 64) return [this.#delete('many/', 'many0')];
    if (kind < 66) return [this.#put('', random.below(10), 'neighbour')];
    const keys = new Set(Array.from({ length: 2 + random.below(12) }, () => random.below(keysMax)));
    return [...keys].map((key) =>
      random.chance(0.7) ? this.#put(`k${key}`, random.below(200)) : this.#delete(`k${key}`),
    );
  }

  #put(key: string, length: number, prefix = this.#prefix): RequestOp {
    const value = Buffer.alloc(length);
    for (let at = 0; at < Math.min(length, 64); at += 1) value[at] = this.#random.below(256);
    return { request_put: { key: Buffer.from(prefix + key), value } };
  }

  #delete(key: string, end?: string): RequestOp {
    return {
      request_delete_range: {
        key: Buffer.from(this.#prefix + key),
        ...(end !== undefined && { range_end: Buffer.from(this.#prefix + end) }),
      },
    };
  }
}
