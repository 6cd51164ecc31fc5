/**
 * Progress requests of one client stream. A response carries a revision that was read after the request arrived, and leaves
 * once every watcher of the stream has everything up to it. As etcd, a stream without watchers, or with one that is not in
 * sync or starts in the future, gets no response.
 */
import { withRevision } from '../stream/messages.ts';
import type { FencePoint } from './fence.ts';
import type { TenantHub } from './tenant-hub.ts';
import { type Watcher, type WatcherFeed, WatcherState } from './watcher.ts';

/** Requests of one stream that wait for a fence. Further ones are dropped, as etcd drops them when its queue is full. */
const requestsMax = 128;

export interface ProgressStream {
  readonly isPaused: boolean;
  readonly watchers: ReadonlyMap<Watcher, unknown>;
  /** `header` is the content of a ResponseHeader. */
  deliverProgress(header: Uint8Array): void;
}

export class ProgressRequests {
  readonly #hub: TenantHub;
  readonly #stream: ProgressStream;
  #waiting = 0;
  /** Responses that wait because the client applies backpressure. */
  #ready: FencePoint[] = [];
  /** The newest revision that a response had. */
  #newest = 0;
  #isClosed = false;

  constructor(hub: TenantHub, stream: ProgressStream) {
    this.#hub = hub;
    this.#stream = stream;
  }

  request(): void {
    if (this.#waiting >= requestsMax || this.#stream.watchers.size === 0) return;
    this.#waiting += 1;
    this.#hub.fence.wait((point) => {
      this.#waiting -= 1;
      if (point !== null && !this.#isClosed) this.#await(point);
    });
  }

  /** The client takes responses again. */
  flush(): void {
    const ready = this.#ready;
    this.#ready = [];
    for (const point of ready) this.#respond(point);
  }

  close(): void {
    this.#isClosed = true;
    this.#ready = [];
  }

  #await({ revision, header }: FencePoint): void {
    const feeds = this.#feeds(revision);
    if (feeds === null || feeds.size === 0) return;
    let missing = feeds.size;
    for (const feed of feeds) {
      feed.whenAt(revision, () => {
        missing -= 1;
        if (missing === 0) this.#respond({ revision, header });
      });
    }
  }

  /** The feeds of the stream's watchers; null if a watcher is not in sync or starts after `revision`. */
  #feeds(revision: number): Set<WatcherFeed> | null {
    const feeds = new Set<WatcherFeed>();
    for (const watcher of this.#stream.watchers.keys()) {
      const { feed, state, next } = watcher;
      const isInSync = state === WatcherState.LIVE;
      const isReached = state === WatcherState.FUTURE && next <= revision + 1;
      if (feed === null || !(isInSync || isReached)) return null;
      feeds.add(feed);
    }
    return feeds;
  }

  #respond(point: FencePoint): void {
    if (this.#isClosed) return;
    if (this.#stream.isPaused) {
      if (this.#ready.length < requestsMax) this.#ready.push(point);
      return;
    }
    // Watchers may have fallen behind or joined since the fence, or have received newer events: progress never goes back.
    let newest = Math.max(point.revision, this.#newest);
    for (const { state, feed, next } of this.#stream.watchers.keys()) {
      const isInSync = state === WatcherState.LIVE && feed !== null;
      if (!isInSync || !feed.hasReached(point.revision)) return;
      newest = Math.max(newest, next - 1);
    }
    if (newest > point.revision) {
      this.#await({ revision: newest, header: withRevision(point.header, newest) });
      return;
    }
    this.#newest = newest;
    this.#stream.deliverProgress(point.header);
  }
}
