/**
 * The most frequent keys of a stream in bounded memory: the Space-Saving sketch (Metwally, Agrawal and El Abbadi, 2005). It has a
 * fixed number of counters. A key without one takes over that of the least frequent key, with its count as the possible error.
 * With `k` counters and a total weight of `n`, every key with more than n / k is in the sketch, and the count of a key is too
 * high by at most its `error`, which is at most n / k. It is never too low.
 */

export interface Counter {
  key: string;
  /** Never too low. */
  count: number;
  /** By how much `count` may be too high. */
  error: number;
  /** What was counted since the key has the counter. */
  bytes: number;
  writes: number;
}

export class SpaceSaving {
  readonly #countersMax: number;
  readonly #counters = new Map<string, Counter>();

  constructor(countersMax: number) {
    this.#countersMax = countersMax;
  }

  add(key: string, weight: number, bytes = 0, writes = 0): void {
    const counter = this.#counters.get(key) ?? this.#take(key);
    counter.count += weight;
    counter.bytes += bytes;
    counter.writes += writes;
  }

  /** Multiplies all counts, so that old traffic fades. Counters that are nearly zero are removed. */
  decay(factor: number): void {
    for (const counter of this.#counters.values()) {
      counter.count *= factor;
      counter.error *= factor;
      counter.bytes *= factor;
      counter.writes *= factor;
      if (counter.count < countMin) this.#counters.delete(counter.key);
    }
  }

  /** The most frequent first. */
  get counters(): readonly Counter[] {
    return [...this.#counters.values()].sort((one, other) => other.count - one.count);
  }

  #take(key: string): Counter {
    const least = this.#counters.size < this.#countersMax ? null : this.#least();
    if (least === null) {
      const counter = { key, count: 0, error: 0, bytes: 0, writes: 0 };
      this.#counters.set(key, counter);
      return counter;
    }
    this.#counters.delete(least.key);
    least.key = key;
    least.error = least.count;
    least.bytes = 0;
    least.writes = 0;
    this.#counters.set(key, least);
    return least;
  }

  #least(): Counter | null {
    let least: Counter | null = null;
    for (const counter of this.#counters.values()) {
      if (least === null || counter.count < least.count) least = counter;
    }
    return least;
  }
}

const countMin = 0.5;
