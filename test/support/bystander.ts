/**
 * An innocent client: it puts, and watches what it puts, on a connection of its own, for as long as others misbehave. At
 * the end it says whether it has noticed anything.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcClient } from './client.ts';
import { until } from './until.ts';

const key = Buffer.from('innocent');
const putEveryMs = 5;
/** A call that takes this long was noticed. Generous: the machine may be busy with the test itself. */
const patienceMs = 8_000;

export class Bystander implements AsyncDisposable {
  readonly #client;
  readonly #watch;
  readonly #put: string[] = [];
  readonly #seen: string[] = [];
  readonly #complaints: string[] = [];
  readonly #over: Promise<unknown>;
  #isStopped = false;

  constructor(address: string) {
    this.#client = grpcClient(address);
    this.#watch = this.#client.stream('etcdserverpb.Watch/Watch');
    this.#watch.send({ create_request: { key } });
    this.#over = this.#begin();
  }

  /** Resolves when it has done its work for a while longer. Rejects with what it has to complain about. */
  async unharmed(): Promise<void> {
    const enough = this.#put.length + 3;
    await until('further puts and events of an innocent client', () => {
      return this.#complaints.length > 0 || this.#seen.length >= enough;
    });
    const expected = this.#put.slice(0, this.#seen.length);
    if (this.#seen.join() !== expected.join()) this.#complaints.push(`saw ${this.#seen.join()}`);
    if (this.#complaints.length > 0) throw new Error(this.#complaints.join('\n'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#watch.cancel();
    await this.#over;
    this.#client[Symbol.dispose]();
  }

  /** The watch begins when it is created, so the first put comes after that. */
  async #begin(): Promise<void> {
    try {
      const { created, cancel_reason } = await this.#watch.next();
      if (!created) throw new Error(`not created: ${cancel_reason}`);
    } catch (error) {
      this.#onWatchFailure(error as Error);
      return;
    }
    await Promise.all([this.#follow(), this.#write()]);
  }

  async #follow(): Promise<void> {
    try {
      for (;;) {
        const { events } = await this.#watch.next(patienceMs);
        for (const { kv } of events) this.#seen.push(kv.value.toString());
      }
    } catch (error) {
      this.#onWatchFailure(error as Error);
    }
  }

  #onWatchFailure({ message }: Error): void {
    if (!this.#isStopped) this.#complaints.push(`watch: ${message}`);
  }

  async #write(): Promise<void> {
    for (let i = 0; !this.#isStopped; i += 1) {
      try {
        const value = Buffer.from(`${i}`);
        this.#put.push(`${i}`);
        await this.#client.call('etcdserverpb.KV/Put', { key, value }, { timeoutMs: patienceMs });
        await sleep(putEveryMs);
      } catch (error) {
        this.#complaints.push(`put: ${(error as Error).message}`);
        return;
      }
    }
  }
}
