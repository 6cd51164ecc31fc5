/**
 * Progress requests that wait until the live watchers of a feed have everything up to a revision. While one waits, etcd is
 * asked for the position.
 */
import type { HubContext } from './hub-context.ts';
import { ProgressPoll } from './progress-poll.ts';
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
  readonly #feed: PositionSource;
  readonly #waiters = new Set<PositionWaiter>();
  /** What an etcd without ordered progress has reported. */
  #unorderedPosition = 0;
  readonly #poll: ProgressPoll;

  constructor({ clock, limits }: HubContext, feed: PositionSource) {
    this.#feed = feed;
    this.#poll = new ProgressPoll(clock, limits, {
      isWaiting: () => this.#waiters.size > 0 && feed.state === 'live',
      requestProgress: () => feed.requestProgress(),
    });
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
    this.#poll.want(revision);
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

  /** The feed is live. */
  onLive(): void {
    this.#poll.begin();
  }

  close(): void {
    this.#poll.close();
    this.#waiters.clear();
  }
}
