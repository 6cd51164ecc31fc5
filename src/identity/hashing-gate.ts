/**
 * Limits how many passwords are hashed concurrently and how many wait in a queue. Password hashes are expensive by design,
 * and every client that reaches a listener can cause one. Without a limit, a burst of Authenticate calls would take CPU and
 * memory from all other calls. The queue is fair between client addresses, so a flood from one of them delays the others by
 * one hash, and does not fill the queue for them.
 */

import { clientAddress } from '../grpc/client-address.ts';
import type { Peer } from '../grpc/transport.ts';
import { HashingQueue } from './hashing-queue.ts';

export interface HashingBounds {
  readonly runningMax: number;
  readonly waitingMax: number;
  readonly perAddressMax: number;
  /** Running and waiting hashes of one connection. */
  readonly perConnectionMax: number;
}

export const hashingBounds: HashingBounds = {
  runningMax: 2,
  waitingMax: 256,
  perAddressMax: 128,
  perConnectionMax: 4,
};

type Turn = 'started' | 'displaced';

export class HashingGate {
  readonly #bounds: HashingBounds;
  readonly #byPeer = new WeakMap<Peer, number>();
  readonly #waiting = new HashingQueue<(turn: Turn) => void>();
  #running = 0;

  constructor(bounds: HashingBounds = hashingBounds) {
    this.#bounds = bounds;
  }

  /**
   * Runs `hash` at once or when it has its turn. Resolves with null if the queue has no place for it, also if a client
   * with fewer waiting hashes takes its place.
   */
  async run<T>(peer: Peer, hash: () => Promise<T>): Promise<T | null> {
    const { runningMax, perConnectionMax } = this.#bounds;
    const ofPeer = this.#byPeer.get(peer) ?? 0;
    if (ofPeer >= perConnectionMax) return null;
    this.#byPeer.set(peer, ofPeer + 1);
    try {
      if (this.#running < runningMax) this.#running += 1;
      else if ((await this.#turn(peer)) === 'displaced') return null;
      try {
        return await hash();
      } finally {
        // A hash that ends passes its place to the next one, so `#running` does not change.
        const next = this.#waiting.shift();
        if (next === undefined) this.#running -= 1;
        else next('started');
      }
    } finally {
      this.#byPeer.set(peer, (this.#byPeer.get(peer) ?? 1) - 1);
    }
  }

  /** Resolves when a waiting hash may start, or loses its place. */
  #turn(peer: Peer): Promise<Turn> {
    const source = { address: clientAddress(peer), connection: peer };
    const { waitingMax, perAddressMax } = this.#bounds;
    const isAddressFull = this.#waiting.lengthOf(source.address) >= perAddressMax;
    if (isAddressFull || this.#waiting.length >= waitingMax) {
      const displaced = isAddressFull
        ? this.#waiting.displaceWithin(source)
        : this.#waiting.displace(source);
      if (displaced === undefined) return Promise.resolve('displaced');
      displaced('displaced');
    }
    return new Promise((resolve) => this.#waiting.push(source, resolve));
  }
}
