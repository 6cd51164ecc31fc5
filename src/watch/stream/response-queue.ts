/**
 * The responses that a watch stream still owes its client, in order. Clients pair create requests with their responses by
 * order alone, so a response that the proxy builds waits until etcd has responded to every create before it. A response from
 * etcd never waits.
 */
import type { LocalResponse } from './messages.ts';
import type { Watcher } from './watch-ids.ts';

export type QueuedResponse =
  | {
      readonly from: 'etcd';
      /** Null if etcd is certain to reject the create. */
      readonly watcher: Watcher | null;
      next: QueuedResponse | null;
    }
  | { readonly from: 'proxy'; readonly response: LocalResponse; next: QueuedResponse | null };

/** A linked list: queued in bulk, taken one by one, and empty nearly always. */
export class ResponseQueue {
  length = 0;
  #first: QueuedResponse | null = null;
  #last: QueuedResponse | null = null;

  /** Whether a response from etcd has to come before anything else. */
  get isWaitingForEtcd(): boolean {
    return this.#first?.from === 'etcd';
  }

  pushExpected(watcher: Watcher | null): void {
    this.#push({ from: 'etcd', watcher, next: null });
  }

  pushLocal(response: LocalResponse): void {
    this.#push({ from: 'proxy', response, next: null });
  }

  shift(): QueuedResponse | null {
    const first = this.#first;
    if (first === null) return null;
    this.#first = first.next;
    if (first.next === null) this.#last = null;
    this.length -= 1;
    return first;
  }

  #push(response: QueuedResponse): void {
    if (this.#last === null) this.#first = response;
    else this.#last.next = response;
    this.#last = response;
    this.length += 1;
  }
}
