/**
 * Limits how many passwords are hashed concurrently and how many wait in a queue. Password hashes are expensive by design,
 * and every client that reaches a listener can cause one. Without a limit, a burst of Authenticate calls would take CPU and
 * memory from all other calls.
 */
import type { Peer } from '../grpc/transport.ts';

export interface HashingBounds {
  readonly runningMax: number;
  readonly waitingMax: number;
  /** Running and waiting hashes of one connection, so that one connection cannot fill the queue. */
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

  /** Runs `hash` at once or after those in the queue. Returns null if the queue or the share of the connection is full. */
  run<T>(peer: Peer, hash: () => Promise<T>): Promise<T> | null {
    const { runningMax, waitingMax, perConnectionMax } = this.#bounds;
    const ofPeer = this.#byPeer.get(peer) ?? 0;
    const mustWait = this.#running >= runningMax;
    if (ofPeer >= perConnectionMax || (mustWait && this.#waiting.length >= waitingMax)) return null;
    this.#byPeer.set(peer, ofPeer + 1);
    return this.#queue(peer, mustWait, hash);
  }

  async #queue<T>(peer: Peer, mustWait: boolean, hash: () => Promise<T>): Promise<T> {
    // A hash that ends passes its place to the first in the queue, so `#running` does not change.
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
