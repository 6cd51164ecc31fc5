/**
 * Random writes, one after the other: single puts, transactions of several operations, deletions, leases that are revoked or
 * expire. Their outcome does not matter here: what has happened is what the history says.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type GrpcClient, Refused } from '../support/client.ts';
import type { Int64, RequestOp } from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';
import { names } from './watch-spec.ts';

const pauseMs = 20;
const refusedPauseMs = 50;
const timeoutMs = 3_000;
const longValueBytes = 8_000;

export class Writer implements AsyncDisposable {
  /** The newest revision that a response had. */
  revision = 0;
  writes = 0;
  readonly #client: GrpcClient;
  readonly #chance: Seeded;
  readonly #name: string;
  readonly #prefixes: readonly string[];
  readonly #over: Promise<void>;
  #isStopped = false;

  /** Each key gets one of `prefixes`: none for a tenant's own client, several for one that writes around the proxy. */
  constructor(name: string, client: GrpcClient, chance: Seeded, prefixes: readonly string[]) {
    this.#name = name;
    this.#client = client;
    this.#chance = chance;
    this.#prefixes = prefixes;
    this.#over = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    await this.#over;
  }

  async #run(): Promise<void> {
    const put = () => this.#txn(1);
    const txn = () => this.#txn(2 + this.#chance.below(5));
    const remove = () => this.#remove();
    const lease = () => this.#lease();
    const steps = [put, put, put, put, put, txn, txn, txn, remove, lease];
    while (!this.#isStopped) {
      try {
        await this.#chance.pick(steps)();
        await sleep(this.#chance.below(2 * pauseMs));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        await sleep(refusedPauseMs);
      }
    }
  }

  /** A transaction writes a key at most once. */
  async #txn(operations: number, lease: Int64 = 0): Promise<void> {
    const ops = new Map<string, RequestOp>();
    for (let i = 0; i < operations; i++) {
      const name = this.#key();
      const key = Buffer.from(name, 'latin1');
      const isPut = operations === 1 || this.#chance.chance(0.7);
      const put = { key, value: this.#value(), lease };
      ops.set(name, isPut ? { request_put: put } : { request_delete_range: { key } });
    }
    const request = { success: [...ops.values()] };
    const { header } = await this.#client.call('etcdserverpb.KV/Txn', request, { timeoutMs });
    this.#onWritten(Number(header?.revision));
  }

  async #remove(): Promise<void> {
    const key = this.#key();
    const range_end = this.#chance.chance(0.2) ? Buffer.from(`${key}\xff`, 'latin1') : undefined;
    const { header } = await this.#client.call(
      'etcdserverpb.KV/DeleteRange',
      { key: Buffer.from(key, 'latin1'), ...(range_end && { range_end }) },
      { timeoutMs },
    );
    this.#onWritten(Number(header?.revision));
  }

  /** Two keys on a lease. Revoked at once it deletes both in one revision; otherwise it expires. */
  async #lease(): Promise<void> {
    const { ID } = await this.#client.call(
      'etcdserverpb.Lease/LeaseGrant',
      { TTL: 2 },
      { timeoutMs },
    );
    // A stored ID is not exact as a number.
    await this.#txn(3, ID);
    if (this.#chance.chance(0.5)) return;
    await this.#client.call('etcdserverpb.Lease/LeaseRevoke', { ID }, { timeoutMs });
  }

  #key(): string {
    const prefix = this.#prefixes.length === 0 ? '' : this.#chance.pick(this.#prefixes);
    return prefix + this.#chance.pick(names);
  }

  /** No two values are equal. */
  #value(): Buffer {
    const value = Buffer.from(`${this.#name}-${this.writes}`);
    const isLong = this.#chance.chance(0.02);
    return isLong ? Buffer.concat([value, Buffer.alloc(longValueBytes, '.')]) : value;
  }

  #onWritten(revision: number): void {
    this.writes += 1;
    this.revision = Math.max(this.revision, revision);
  }
}
