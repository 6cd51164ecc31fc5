/**
 * Resolves the host names of endpoints. Each dial resolves its name again, so a changed address is used at the next connect. Node
 * tries the addresses of a name one after the other, and the next one after 250 ms or a refusal. What it does not know: that an
 * address accepts connections and does not serve etcd. So each dial after such a failure begins with another address.
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

type Callback = Parameters<LookupFunction>[2];

/**
 * Lets equal lookups in progress share one. A lookup takes a thread of Node's pool of four until the system's resolver gives up,
 * and the same threads read files.
 */
export class SharedLookup {
  readonly #lookup: LookupFunction;
  readonly #waiting = new Map<string, Callback[]>();

  constructor(lookup: LookupFunction = systemLookup as LookupFunction) {
    this.#lookup = lookup;
  }

  resolve(host: string, options: LookupOptions, callback: Callback): void {
    const key = JSON.stringify([host, options.all, options.family, options.hints]);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      waiting.push(callback);
      return;
    }
    this.#waiting.set(key, [callback]);
    this.#lookup(host, options, (...result) => {
      const all = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      for (const each of all) each(...result);
    });
  }
}

/** The addresses that one channel tries first. */
export class AddressTurns {
  readonly #shared: SharedLookup;
  #turn = 0;

  constructor(shared: SharedLookup) {
    this.#shared = shared;
  }

  /** The address of the last dial did not work: the next dial begins with the one after it. */
  next(): void {
    this.#turn += 1;
  }

  /** For the `lookup` option of a socket. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.#shared.resolve(host, options, (error, found, family) => {
      callback(error, Array.isArray(found) ? rotated(found, this.#turn) : found, family);
    });
  };
}

function rotated(addresses: readonly LookupAddress[], by: number): LookupAddress[] {
  if (addresses.length === 0) return [];
  const start = by % addresses.length;
  return [...addresses.slice(start), ...addresses.slice(0, start)];
}
