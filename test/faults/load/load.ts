/** The mixed load of a cell: writers and readers of registers, watchers, and holders of leases and locks. */
import type { Seeded } from '../../support/seeded.ts';
import { Ledger } from '../ledger.ts';
import { LeaseHolder } from './lease-holder.ts';
import type { LoadClientOptions } from './load-client.ts';
import { LockHolder } from './lock-holder.ts';
import { RegisterReader, RegisterWriter, registers } from './register-client.ts';
import { type WatchedRange, Watcher } from './watcher.ts';

const writers = 4;
const readers = 4;
const holders = 3;
const lockers = 3;
const firstRegister = registers[0] ?? '';
const ranges: readonly WatchedRange[] = [
  { from: 'a', to: '~' },
  { from: 'r/', to: 'r0' },
  { from: firstRegister, to: `${firstRegister}\0` },
];

export interface LoadOptions {
  readonly addresses: readonly string[];
  readonly prefix: string;
  readonly chance: Seeded;
}

export class Load implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly watchers: Watcher[] = [];
  readonly leaseHolders: LeaseHolder[] = [];
  readonly #owned = new AsyncDisposableStack();
  readonly #options: LoadOptions;
  readonly #writing = new AsyncDisposableStack();

  private constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Resolves when every client is at work. */
  static async start(options: LoadOptions): Promise<Load> {
    await using starting = new AsyncDisposableStack();
    const load = starting.use(new Load(options));
    await load.#begin();
    starting.move();
    return load;
  }

  /** Resolves when the clients write nothing any more. Watches and leases go on. */
  async stopWriting(): Promise<void> {
    await this.#writing.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopWriting();
    await this.#owned.disposeAsync();
  }

  async #begin(): Promise<void> {
    for (const range of ranges) {
      for (const requiresLeader of [false, true]) {
        const client = this.#client(`watcher-${this.watchers.length}`);
        const fromTheStart = requiresLeader;
        const watcher = new Watcher({ ...client, range, requiresLeader, fromTheStart });
        this.watchers.push(this.#owned.use(watcher));
      }
    }
    await Promise.all(this.watchers.map(({ created }) => created));
    for (let i = 0; i < holders; i++) {
      const holder = this.#owned.use(await LeaseHolder.start(this.#client(`holder-${i}`)));
      this.leaseHolders.push(holder);
    }
    for (let i = 0; i < writers; i++) {
      this.#writing.use(new RegisterWriter(this.#client(`writer-${i}`)));
    }
    for (let i = 0; i < readers; i++) {
      this.#writing.use(new RegisterReader(this.#client(`reader-${i}`)));
    }
    for (let i = 0; i < lockers; i++) {
      this.#writing.use(new LockHolder(this.#client(`locker-${i}`)));
    }
  }

  #client(name: string): LoadClientOptions {
    return { name, ...this.#options, ledger: this.ledger };
  }
}
