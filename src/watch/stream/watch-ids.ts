/**
 * The watch IDs of one client stream, allocated as etcd does (Watch in server/storage/mvcc/watcher.go): a counter from 0
 * that skips IDs in use and never goes back, next to IDs that the client chose and that do not advance it. An ID is in
 * use from the create until the client cancels it, also when the watcher behind it has ended before.
 *
 * IDs are taken when a create is sent on, before etcd's word on it is there, so that creates need not wait for one another.
 * `settle` makes up for a create that etcd then refuses.
 */

/** Who holds a watch ID. Compared by identity, since an ID can be cancelled and taken anew before etcd has answered. */
export interface Watcher {
  readonly id: bigint;
  /** Answered by the proxy: etcd knows nothing of it. */
  readonly isLocal: boolean;
  /** The counter before this ID was drawn from it; null for an ID that the client chose. */
  readonly drawnAt: bigint | null;
}

export class WatchIds {
  readonly #held = new Map<bigint, Watcher>();
  #next = 0n;

  /** How many are in use. */
  get size(): number {
    return this.#held.size;
  }

  holder(id: bigint): Watcher | null {
    return this.#held.get(id) ?? null;
  }

  /** Takes `chosen`, which must be free, or draws one for 0n. */
  take(chosen: bigint, isLocal: boolean): Watcher {
    const watcher: Watcher =
      chosen === 0n
        ? { id: this.#nextFree(), isLocal, drawnAt: this.#next }
        : { id: chosen, isLocal, drawnAt: null };
    if (watcher.drawnAt !== null) this.#next = watcher.id + 1n;
    this.#held.set(watcher.id, watcher);
    return watcher;
  }

  release(id: bigint): void {
    this.#held.delete(id);
  }

  /**
   * etcd has answered the create of `watcher` (null: one that was expected to be refused) with `id`, null for a refusal.
   * Its word counts: a refused create holds nothing, and gives back what it drew if nothing has been drawn since.
   */
  settle(watcher: Watcher | null, id: bigint | null): void {
    if (id === (watcher?.id ?? null)) return;
    if (watcher !== null) this.#giveBack(watcher);
    if (id !== null) this.#held.set(id, { id, isLocal: false, drawnAt: null });
  }

  #giveBack(watcher: Watcher): void {
    if (this.#held.get(watcher.id) === watcher) this.#held.delete(watcher.id);
    if (watcher.drawnAt !== null && this.#next === watcher.id + 1n) this.#next = watcher.drawnAt;
  }

  #nextFree(): bigint {
    let id = this.#next;
    while (this.#held.has(id)) id += 1n;
    return id;
  }
}
