/** The keys of a cached range in their order. */
import { type Entry, entryBytes } from './entry.ts';

export class Entries {
  /** As counted against the bounds. */
  bytes = 0;
  readonly #list: Entry[] = [];

  get length(): number {
    return this.#list.length;
  }

  at(index: number): Entry {
    return this.#list[index] as Entry;
  }

  slice(from: number, to: number): Entry[] {
    return this.#list.slice(from, to);
  }

  /** The index of the first key that is not before `key`. */
  indexFrom(key: string): number {
    const list = this.#list;
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle] as Entry).key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Adds a key, or replaces what it has. */
  put(entry: Entry): void {
    const last = this.#list.at(-1);
    this.bytes += entryBytes(entry);
    // A page of a range arrives in the order of the keys.
    if (last === undefined || last.key < entry.key) {
      this.#list.push(entry);
      return;
    }
    const index = this.indexFrom(entry.key);
    const existing = this.#list[index] as Entry;
    if (existing.key === entry.key) {
      this.bytes -= entryBytes(existing);
      this.#list[index] = entry;
    } else this.#list.splice(index, 0, entry);
  }

  /** Does nothing if the key does not exist. */
  delete(key: string): void {
    const index = this.indexFrom(key);
    const existing = this.#list[index];
    if (existing?.key !== key) return;
    this.bytes -= entryBytes(existing);
    this.#list.splice(index, 1);
  }
}
