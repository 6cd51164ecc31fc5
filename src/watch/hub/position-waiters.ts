/**
 * Progress requests that wait until the live watchers of a feed have everything up to a revision. While one waits, etcd is
 * asked for the position at intervals: it does not respond while a watch of the stream is not in sync.
 */
import type { CancelTimer } from '../../runtime/clock.ts';
import type { HubContext } from './hub-context.ts';
import type { FeedState } from './watcher.ts';

interface PositionWaiter {
  readonly revision: number;
  readonly reached: () => void;
}

export interface PositionSource {
  readonly state: FeedState;
  /** Everything up to this revision has been delivered to live watchers. */
  readonly rounded: number;
  requestProgress(): void;
}

export class PositionWaiters {
  readonly #context: HubContext;
  readonly #feed: PositionSource;
  readonly #waiters = new Set<PositionWaiter>();
  /** What an etcd without ordered progress has reported. */
  #unorderedPosition = 0;
  #cancelTimer: CancelTimer | null = null;

  constructor(context: HubContext, feed: PositionSource) {
    this.#context = context;
    this.#feed = feed;
  }

  hasReached(revision: number): boolean {
    return revision <= Math.max(this.#feed.rounded, this.#unorderedPosition);
  }

  /** Calls `reached` once the feed is there, and never if it closes before. */
  add(revision: number, reached: () => void): void {
    if (this.hasReached(revision)) {
      reached();
      return;
    }
    this.#waiters.add({ revision, reached });
    this.poll();
  }

  /** The feed may have reached a revision. */
  notify(): void {
    for (const waiter of this.#waiters) {
      if (!this.hasReached(waiter.revision)) continue;
      this.#waiters.delete(waiter);
      waiter.reached();
    }
  }

  /** Good enough to respond to a progress request as that etcd itself does, but not to drop events. */
  onUnordered(revision: number): void {
    this.#unorderedPosition = Math.max(this.#unorderedPosition, revision);
    this.notify();
  }

  /** Asks for the position of a live feed while a request waits. */
  poll(): void {
    const { clock, limits } = this.#context;
    const isPolling = this.#cancelTimer !== null;
    if (isPolling || this.#waiters.size === 0 || this.#feed.state !== 'live') return;
    this.#feed.requestProgress();
    this.#cancelTimer = clock.after(limits.progressRetryMs, () => {
      this.#cancelTimer = null;
      this.poll();
    });
  }

  close(): void {
    this.#cancelTimer?.();
    this.#waiters.clear();
  }
}
