/**
 * The watch IDs of one client stream, allocated as etcd does (Watch in server/storage/mvcc/watcher.go): a counter from 0 that
 * skips IDs in use and never decreases, beside IDs that the client chose, which do not advance it. An ID is in use from its
 * create until the client cancels it, even if the watch has ended before.
 *
 * An ID is taken when its create is sent, before etcd has responded, so that creates need not wait for one another. `settle`
 * corrects the table if etcd then rejects the create.
 */

/** The holder of a watch ID. Compared by identity, because an ID can be cancelled and reused before etcd has responded. */
export interface Watcher {
  readonly id: bigint;
  /** The proxy responds for it: etcd has no such watch. */
  readonly isLocal: boolean;
  /** The counter before this ID was drawn from it. Null for an ID that the client chose. */
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
   * etcd has responded to the create of `watcher` (null if a rejection was expected) with `id`, or rejected it (null). A
   * rejected create holds no ID, and its drawn ID is returned to the counter unless another was drawn since.
   */
  settle(watcher: Watcher | null, id: bigint | null): void {
    if (id === (watcher?.id ?? null)) return;
    if (watcher !== null) this.#returnDrawn(watcher);
    if (id !== null) this.#held.set(id, { id, isLocal: false, drawnAt: null });
  }

  #returnDrawn(watcher: Watcher): void {
    if (this.#held.get(watcher.id) === watcher) this.#held.delete(watcher.id);
    if (watcher.drawnAt !== null && this.#next === watcher.id + 1n) this.#next = watcher.drawnAt;
  }

  #nextFree(): bigint {
    let id = this.#next;
    while (this.#held.has(id)) id += 1n;
    return id;
  }
}
