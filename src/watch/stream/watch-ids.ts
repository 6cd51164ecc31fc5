/**
 * The watch IDs of one client stream, allocated as etcd does (Watch in server/storage/mvcc/taken.go): a counter from 0 that
 * skips IDs in use and never decreases, beside IDs that the client chose, which do not advance it. An ID is in use from its
 * create until the client cancels it, even if the watch has ended before.
 *
 * An ID is taken when its create is sent, before etcd has responded, so that creates need not wait for one another. `settle`
 * corrects the table if etcd then rejects the create.
 */

/** A watch ID in use. Compared by identity, because an ID can be cancelled and reused before etcd has responded. */
export interface WatchId {
  readonly id: bigint;
  /** The proxy responds for it: etcd has no such watch. */
  readonly isLocal: boolean;
  /** The counter before this ID was drawn from it. Null for an ID that the client chose. */
  readonly drawnAt: bigint | null;
}

export class WatchIds {
  readonly #held = new Map<bigint, WatchId>();
  #next = 0n;

  /** How many are in use. */
  get size(): number {
    return this.#held.size;
  }

  holder(id: bigint): WatchId | null {
    return this.#held.get(id) ?? null;
  }

  /** Takes `chosen`, which must be free, or draws one for 0n. */
  take(chosen: bigint, isLocal: boolean): WatchId {
    const taken: WatchId =
      chosen === 0n
        ? { id: this.#nextFree(), isLocal, drawnAt: this.#next }
        : { id: chosen, isLocal, drawnAt: null };
    if (taken.drawnAt !== null) this.#next = taken.id + 1n;
    this.#held.set(taken.id, taken);
    return taken;
  }

  release(id: bigint): void {
    this.#held.delete(id);
  }

  /**
   * etcd has responded to the create of `taken` (null if a rejection was expected) with `id`, or rejected it (null). A
   * rejected create holds no ID, and its drawn ID is returned to the counter unless another was drawn since.
   */
  settle(taken: WatchId | null, id: bigint | null): void {
    if (id === (taken?.id ?? null)) return;
    if (taken !== null) this.#returnDrawn(taken);
    if (id !== null) this.#held.set(id, { id, isLocal: false, drawnAt: null });
  }

  #returnDrawn(taken: WatchId): void {
    if (this.#held.get(taken.id) === taken) this.#held.delete(taken.id);
    if (taken.drawnAt !== null && this.#next === taken.id + 1n) this.#next = taken.drawnAt;
  }

  #nextFree(): bigint {
    let id = this.#next;
    while (this.#held.has(id)) id += 1n;
    return id;
  }
}
