/** Steps through the keys that a range of the destination has, side by side with other keys in ascending order. */
import type { KeyRange } from '../../etcd/key-range.ts';
import type { EtcdClient } from './etcd-client.ts';
import type { KeyValue, Page } from './key-value.ts';
import { pagesOf } from './pages.ts';

export class TargetKeys {
  readonly #pages: AsyncGenerator<Page, void>;
  #keys: readonly KeyValue[] = [];
  #index = 0;
  #hasEnded = false;

  constructor(etcd: EtcdClient, range: KeyRange) {
    this.#pages = pagesOf(etcd, range, 0);
  }

  /** The current key; null behind the last one. */
  async current(): Promise<KeyValue | null> {
    while (this.#index >= this.#keys.length && !this.#hasEnded) {
      const { done, value } = await this.#pages.next();
      if (done === true || value === undefined) this.#hasEnded = true;
      else this.#keys = value.keyValues;
      this.#index = 0;
    }
    return this.#hasEnded ? null : (this.#keys[this.#index] ?? null);
  }

  advance(): void {
    this.#index += 1;
  }

  /** The destination's value of `key`, or null. Keys before it are passed over. */
  async find(key: Uint8Array): Promise<KeyValue | null> {
    for (;;) {
      const found = await this.current();
      const order = found === null ? 1 : Buffer.compare(found.key, key);
      if (order > 0) return null;
      this.advance();
      if (order === 0) return found;
    }
  }
}
