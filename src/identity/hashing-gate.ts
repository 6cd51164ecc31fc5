/**
 * How many passwords are hashed at a time, and how many may wait. A hash is meant to be expensive, and whoever reaches a
 * listener can ask for one: without this, a burst of log-ins would take the processor and the memory from everybody's calls.
 */
import type { Peer } from '../grpc/transport.ts';

export interface HashingBounds {
  readonly runningMax: number;
  readonly waitingMax: number;
  /** Running and waiting, of one connection: others get their turn. */
  readonly perConnectionMax: number;
}

export const hashingBounds: HashingBounds = {
  runningMax: 2,
  waitingMax: 256,
  perConnectionMax: 4,
};

export class HashingGate {
  readonly #bounds: HashingBounds;
  readonly #byPeer = new WeakMap<Peer, number>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(bounds: HashingBounds = hashingBounds) {
    this.#bounds = bounds;
  }

  /** Runs `hash` when it is its turn; null when too many wait. */
  enter<T>(peer: Peer, hash: () => Promise<T>): Promise<T> | null {
    const { runningMax, waitingMax, perConnectionMax } = this.#bounds;
    const ofPeer = this.#byPeer.get(peer) ?? 0;
    const mustWait = this.#running >= runningMax;
    if (ofPeer >= perConnectionMax || (mustWait && this.#waiting.length >= waitingMax)) return null;
    this.#byPeer.set(peer, ofPeer + 1);
    return this.#run(peer, mustWait, hash);
  }

  async #run<T>(peer: Peer, mustWait: boolean, hash: () => Promise<T>): Promise<T> {
    // Whoever makes room hands it to the first that waits, so `#running` does not change then.
    if (mustWait) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    try {
      return await hash();
    } finally {
      this.#byPeer.set(peer, (this.#byPeer.get(peer) ?? 1) - 1);
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}
