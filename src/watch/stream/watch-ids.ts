/**
 * The watch IDs of one client stream, allocated as etcd does (Watch in server/storage/mvcc/taken.go): a counter from 0 that
 * skips IDs in use and never decreases, beside IDs that the client chose, which do not advance it. An ID is in use from its
 * create until the client cancels it, even if the watch has ended before.
 *
 * An ID is taken when its create is sent, before etcd has responded, so that creates need not wait for one another. `settle`
 * corrects the table if etcd then rejects the create.
 *
 * The watch of an ID is open from its create until the client cancels it, etcd ends it, or its stream ends.
 */
import type { OpenWatches } from './open-watches.ts';

/** A watch ID in use. Compared by identity, because an ID can be cancelled and reused before etcd has responded. */
export interface WatchId {
  readonly id: bigint;
  /** The proxy responds for it: etcd has no such watch. */
  readonly isLocal: boolean;
  /** The counter before this ID was drawn from it. Null for an ID that the client chose. */
  readonly drawnAt: bigint | null;
  /** It counts as open. */
  isOpen: boolean;
  /** etcd has responded to its create. Only for streams that are not shared. */
  isCreated: boolean;
}

export class WatchIds {
  readonly #held = new Map<bigint, WatchId>();
  readonly #open: OpenWatches;
  #next = 0n;

  constructor(open: OpenWatches) {
    this.#open = open;
  }

  /** How many are in use. */
  get size(): number {
    return this.#held.size;
  }

  holder(id: bigint): WatchId | null {
    return this.#held.get(id) ?? null;
  }

  /** Takes `chosen`, which must be free, or draws one for 0n. */
  take(chosen: bigint, isLocal: boolean): WatchId {
    const isDrawn = chosen === 0n;
    const taken: WatchId = {
      id: isDrawn ? this.#nextFree() : chosen,
      isLocal,
      drawnAt: isDrawn ? this.#next : null,
      isOpen: !isLocal,
      isCreated: false,
    };
    if (isDrawn) this.#next = taken.id + 1n;
    this.#held.set(taken.id, taken);
    if (taken.isOpen) this.#open.opened();
    return taken;
  }

  release(id: bigint): void {
    const holder = this.#held.get(id);
    if (holder === undefined) return;
    this.#held.delete(id);
    this.closed(holder);
  }

  /** The watch has ended. Its ID stays in use. */
  closed(watchId: WatchId): void {
    if (!watchId.isOpen) return;
    watchId.isOpen = false;
    this.#open.closed();
  }

  /** The stream has ended. */
  closeAll(): void {
    for (const watchId of this.#held.values()) watchId.isOpen = false;
    this.#open.closeAll();
  }

  /**
   * etcd has responded to the create of `taken` (null if a rejection was expected) with `id`, or rejected it (null). A
   * rejected create holds no ID, and its drawn ID is returned to the counter unless another was drawn since.
   */
  settle(taken: WatchId | null, id: bigint | null): void {
    if (taken !== null && id === taken.id) taken.isCreated = true;
    if (id === (taken?.id ?? null)) return;
    if (taken !== null) this.#returnDrawn(taken);
    if (id === null) return;
    this.release(id);
    this.#held.set(id, { id, isLocal: false, drawnAt: null, isOpen: true, isCreated: true });
    this.#open.opened();
  }

  #returnDrawn(taken: WatchId): void {
    if (this.#held.get(taken.id) === taken) this.release(taken.id);
    if (taken.drawnAt !== null && this.#next === taken.id + 1n) this.#next = taken.drawnAt;
  }

  #nextFree(): bigint {
    let id = this.#next;
    while (this.#held.has(id)) id += 1n;
    return id;
  }
}
