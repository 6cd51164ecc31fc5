/**
 * A watch of its own for one watcher that needs history which its feed no longer has. Once it has delivered everything up to
 * the beginning of the feed's history, the watcher continues there, at a boundary between two revisions. Also used for creates
 * that etcd has to judge: empty ranges and negative revisions.
 */
import { Code, type Status, status } from '../../grpc/status.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import type { HubContext } from './hub-context.ts';
import { RevisionAssembler } from './revision-assembler.ts';
import type { UpstreamWatch, UpstreamWatchOwner, UpstreamWatchSpec } from './upstream-watch.ts';
import type { WatchResponse } from './watch-response.ts';
import { detach, moveTo, type Watcher, WatcherState } from './watcher.ts';

export interface CatchUpHost {
  readonly context: HubContext;
  watchPrivately(spec: UpstreamWatchSpec, owner: UpstreamWatchOwner): UpstreamWatch;
  onCatchUpCreated(catchUp: CatchUp, response: WatchResponse): void;
  /** The feed has the history that the watcher needs next, or is closed. */
  onCaughtUp(catchUp: CatchUp): void;
  onCatchUpCanceled(catchUp: CatchUp, response: WatchResponse): void;
  onCatchUpLost(catchUp: CatchUp, status: Status): void;
}

/** A stale token of the proxy's own login looks like an upstream that broke. */
const staleToken = status(Code.UNAVAILABLE, "etcd rejected the proxy's token", 'lost');

export class CatchUp implements UpstreamWatchOwner {
  readonly watcher: Watcher;
  readonly #host: CatchUpHost;
  #assembler: RevisionAssembler;
  #upstream: UpstreamWatch | null = null;
  #cancelTimer: CancelTimer = () => {};
  #isClosed = false;

  constructor(host: CatchUpHost, watcher: Watcher) {
    this.#host = host;
    this.watcher = watcher;
    this.#assembler = new RevisionAssembler(watcher.next - 1);
  }

  open(): void {
    const { range, prevKv } = this.watcher.spec;
    const spec = { range, prevKv, startRevision: this.watcher.next };
    this.#upstream = this.#host.watchPrivately(spec, this);
    this.#requestProgress();
  }

  /** etcd began the watch at this revision. */
  startAt(revision: number): void {
    this.watcher.next = revision;
    this.#assembler = new RevisionAssembler(revision - 1);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#upstream?.close();
    this.#upstream = null;
  }

  onCreated(response: WatchResponse): void {
    this.#host.onCatchUpCreated(this, response);
  }

  onEvents(response: WatchResponse): void {
    const { watcher } = this;
    const { stats } = this.#host.context;
    // The client has no response to its create yet: the events are read again once it has.
    if (!watcher.isCreated) {
      this.close();
      moveTo(watcher, WatcherState.JOINING, stats);
      return;
    }
    for (const chunk of watcher.view?.encode(this.#assembler.take(response)) ?? []) {
      if (this.#isClosed) return;
      // Backpressure: events are not kept. The watcher continues from its next revision later.
      if (watcher.stream.isPaused) {
        this.close();
        detach(watcher, stats);
        return;
      }
      watcher.next = chunk.revision + 1;
      stats.deliveredEvents += chunk.count;
      watcher.stream.deliverChunk(watcher, chunk);
    }
    this.#afterEvents();
  }

  onProgress(response: WatchResponse): void {
    // Without ordered progress only an event shows how far the watch is. The next one lets the watcher join its feed.
    if (!this.#host.context.ordersProgress()) return;
    this.#assembler.take(response);
    this.#afterEvents();
  }

  onCanceled(response: WatchResponse): void {
    this.#upstream = null;
    if (this.#isClosed) return;
    this.close();
    if (response.isStaleToken) this.#host.onCatchUpLost(this, staleToken);
    else this.#host.onCatchUpCanceled(this, response);
  }

  onLost(status: Status): void {
    this.#upstream = null;
    if (this.#isClosed) return;
    this.close();
    this.#host.onCatchUpLost(this, status);
  }

  #afterEvents(): void {
    if (this.#isClosed) return;
    const { watcher } = this;
    if (!watcher.isCreated) return;
    watcher.next = Math.max(watcher.next, this.#assembler.position + 1);
    const { feed } = watcher;
    if (feed === null || !(feed.state === 'closed' || feed.hasHistoryFor(watcher))) return;
    this.close();
    this.#host.onCaughtUp(this);
  }

  /** A range without recent events has nothing else that reports its position. */
  #requestProgress(): void {
    const { clock, limits } = this.#host.context;
    this.#cancelTimer = clock.after(limits.progressRetryMs, () => {
      if (this.#isClosed) return;
      this.#upstream?.requestProgress();
      this.#requestProgress();
    });
  }
}

/**
 * Whether a watcher that starts after etcd's current revision may wait in its feed. As a private watch it would keep etcd from
 * responding to progress requests on its stream, so that others that catch up there could not return to their feeds.
 */
export function canWaitInFeed(watcher: Watcher): boolean {
  const { feed } = watcher;
  if (feed === null) return false;
  return feed.state === 'opening' || feed.state === 'closed' || feed.hasHistoryFor(watcher);
}
