/**
 * The responses that a shared stream still owes its client, in the order of the creates. Clients pair creates with their
 * responses by order alone, so what the proxy knows early waits for the creates before it.
 */
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { Watcher } from '../hub/watcher.ts';

export interface PendingCreate {
  /** Null for a response without a watcher: the proxy rejected the create, or it follows another response. */
  readonly watcher: Watcher | null;
  /** Null until the watch can be created. */
  response: OwnedBytes | null;
  /** Whether the watcher may receive events after the response: not if etcd rejected or the client cancelled the watch. */
  mustStart: boolean;
  next: PendingCreate | null;
}

/** A linked list with an index: a stream can have many creates pending, and they are found and removed one by one. */
export class PendingCreates {
  length = 0;
  #first: PendingCreate | null = null;
  #last: PendingCreate | null = null;
  readonly #byWatcher = new Map<Watcher, PendingCreate>();

  get first(): PendingCreate | null {
    return this.#first;
  }

  of(watcher: Watcher): PendingCreate | null {
    return this.#byWatcher.get(watcher) ?? null;
  }

  push(watcher: Watcher): void {
    const pending = { watcher, response: null, mustStart: true, next: null };
    this.#byWatcher.set(watcher, pending);
    this.#append(pending);
  }

  pushResponse(response: OwnedBytes): void {
    this.#append({ watcher: null, response, mustStart: false, next: null });
  }

  /** Removes the first one. */
  shift(): void {
    const first = this.#first;
    if (first === null) return;
    this.#first = first.next;
    if (first.next === null) this.#last = null;
    if (first.watcher !== null) this.#byWatcher.delete(first.watcher);
    this.length -= 1;
  }

  clear(): void {
    this.#first = null;
    this.#last = null;
    this.#byWatcher.clear();
    this.length = 0;
  }

  #append(pending: PendingCreate): void {
    if (this.#last === null) this.#first = pending;
    else this.#last.next = pending;
    this.#last = pending;
    this.length += 1;
  }
}
