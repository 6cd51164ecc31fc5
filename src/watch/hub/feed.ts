/**
 * One upstream watch of a tenant's range, and everything that shares it: history, views and the rounds that deliver to live
 * watchers. A feed never goes back: events at or below its position are dropped, also after it has resumed on a member that
 * lags behind.
 *
 *   opening ─created─▶ live ─upstream lost─▶ broken ─backoff, reopened─▶ live
 *      │                 │                      │
 *      └─────────────────┴──compacted, cancelled, unused──▶ closed
 */
import type { KeyRange } from '../../etcd/key-range.ts';
import type { Status } from '../../grpc/status.ts';
import type { CancelTimer } from '../../runtime/clock.ts';
import type { EventFilter } from '../stream/messages.ts';
import type { FeedFollower } from './feed-follower.ts';
import { History, type HistoryOwner } from './history.ts';
import type { HistoryShare } from './history-share.ts';
import type { HubContext } from './hub-context.ts';
import { PositionWaiters } from './position-waiters.ts';
import { RevisionAssembler } from './revision-assembler.ts';
import { RoundPace } from './round-pace.ts';
import type { UpstreamWatch, UpstreamWatchOwner, UpstreamWatchSpec } from './upstream-watch.ts';
import { View } from './view.ts';
import type { WatchResponse } from './watch-response.ts';
import {
  detach,
  type FeedState,
  moveTo,
  type Watcher,
  type WatcherFeed,
  WatcherState,
} from './watcher.ts';

/** What a feed needs of the tenant's hub. */
export interface FeedHost {
  readonly context: HubContext;
  /** The bytes of history that the tenant may keep. */
  readonly history: HistoryShare;
  watchUpstream(spec: UpstreamWatchSpec, owner: UpstreamWatchOwner): UpstreamWatch;
  /** Whether an upstream stream that ended like this ends the streams of its watchers too. */
  endsClientStreams(status: Status): boolean;
  /** The feed is live: `waiting` watchers may continue. */
  onFeedLive(feed: Feed): void;
  /** The feed is closed for good. `watchers` were live, in the future or waiting; the feed has let go of them. */
  onFeedClosed(feed: Feed, watchers: readonly Watcher[], why: FeedEnd): void;
}

export type FeedEnd =
  | { readonly why: 'compacted'; readonly response: WatchResponse }
  | { readonly why: 'canceled'; readonly response: WatchResponse }
  | { readonly why: 'ended'; readonly status: Status }
  | { readonly why: 'unused' };

export class Feed implements UpstreamWatchOwner, WatcherFeed, HistoryOwner {
  readonly range: KeyRange;
  readonly prevKv: boolean;
  readonly history: History;
  readonly views = new Map<string, View>();
  state: FeedState = 'opening';
  /** Everything up to this revision has been delivered to live watchers. */
  rounded: number;
  /** Watchers that wait until the feed is live. */
  readonly waiting = new Set<Watcher>();
  /** Watchers of this feed in any state but `ended`. */
  watchers = 0;
  readonly #host: FeedHost;
  readonly #assembler: RevisionAssembler;
  /** Where the next upstream watch starts. */
  #startRevision: number;
  #upstream: UpstreamWatch | null = null;
  readonly #future = new Set<Watcher>();
  readonly #positionWaiters: PositionWaiters;
  #isRoundDue = false;
  /** The due round waits for the end of a pause. */
  #isPausing = false;
  readonly #pace = new RoundPace();
  #cancelRound: CancelTimer = () => {};
  #backoffMs = 0;
  #cancelLinger: CancelTimer = () => {};
  #cancelReopen: CancelTimer = () => {};
  /** The newest header field from upstream, with its tag. */
  header: Uint8Array = new Uint8Array(0);
  /** Until it is interrupted. */
  #follower: FeedFollower | null = null;

  /**
   * Starts at `startRevision`, which must not be after the current revision: etcd does not report progress on a stream with a
   * watch that starts later. 0 starts at the next revision, which etcd chooses.
   */
  constructor(host: FeedHost, range: KeyRange, prevKv: boolean, startRevision: number) {
    this.#host = host;
    this.#positionWaiters = new PositionWaiters(host.context, this);
    this.range = range;
    this.prevKv = prevKv;
    this.rounded = Math.max(0, startRevision - 1);
    this.#assembler = new RevisionAssembler(this.rounded);
    this.#startRevision = startRevision;
    // Until etcd has chosen where the feed begins, it has no history for any watcher.
    this.history = new History(
      this,
      startRevision === 0 ? Number.POSITIVE_INFINITY : startRevision,
      host.context.limits.history,
      host.history,
    );
  }

  /** Everything up to this revision has arrived. */
  get position(): number {
    return this.#assembler.position;
  }

  open(): void {
    const { range, prevKv } = this;
    const startRevision = this.#startRevision;
    this.#assembler.restart();
    this.#upstream = this.#host.watchUpstream({ range, prevKv, startRevision }, this);
  }

  /** `follower` receives what arrives from now on. The feed must be live. At most one at a time. */
  follow(follower: FeedFollower): void {
    this.#follower = follower;
  }

  unfollow(follower: FeedFollower): void {
    if (this.#follower === follower) this.#follower = null;
  }

  view(filter: EventFilter): View {
    const key = `${filter.noPut} ${filter.noDelete}`;
    let view = this.views.get(key);
    if (view === undefined) {
      view = new View(filter, this.#host.context);
      this.views.set(key, view);
    }
    return view;
  }

  /** Makes `watcher` one of this feed. It is not live yet. */
  attach(watcher: Watcher): void {
    watcher.feed = this;
    watcher.spec.range = this.range;
    watcher.view = this.view(watcher.spec.filter);
    this.watchers += 1;
    this.#cancelLinger();
  }

  /** Makes a watcher live whose next revision is the next one to be delivered, or lets it wait for a later one. */
  admit(watcher: Watcher): void {
    if (watcher.next > this.rounded + 1) {
      moveTo(watcher, WatcherState.FUTURE, this.#host.context.stats);
      this.#future.add(watcher);
    } else this.#makeLive(watcher);
  }

  #makeLive(watcher: Watcher): void {
    moveTo(watcher, WatcherState.LIVE, this.#host.context.stats);
    watcher.view?.add(watcher);
  }

  /** Whether the history reaches back to the watcher's next revision. */
  hasHistoryFor(watcher: Watcher): boolean {
    return watcher.next >= this.history.start;
  }

  /**
   * Delivers what the history has from the watcher's next revision on. Returns false if its stream was paused before the end;
   * the watcher is not live then.
   */
  catchUp(watcher: Watcher): boolean {
    const { stats } = this.#host.context;
    while (watcher.view !== null && watcher.next <= this.rounded) {
      const { to, chunks } = watcher.view.excerpt(this.history, watcher.next, this.rounded);
      for (const chunk of chunks) {
        if (watcher.stream.isPaused) return false;
        watcher.next = chunk.revision + 1;
        stats.deliveredEvents += chunk.count;
        watcher.stream.deliverChunk(watcher, chunk);
        if (watcher.state === WatcherState.ENDED) return true;
      }
      watcher.next = to + 1;
    }
    return true;
  }

  /** Takes a watcher out of the feed, whatever its state. */
  remove(watcher: Watcher): void {
    watcher.view?.remove(watcher);
    this.#future.delete(watcher);
    this.waiting.delete(watcher);
    this.watchers -= 1;
    if (this.watchers > 0 || this.state === 'closed') return;
    const { clock, limits } = this.#host.context;
    this.#cancelLinger();
    this.#cancelLinger = clock.after(limits.lingerMs, () => this.#onLinger());
  }

  hasReached(revision: number): boolean {
    return this.#positionWaiters.hasReached(revision);
  }

  whenAt(revision: number, reached: () => void): void {
    this.#positionWaiters.add(revision, reached);
  }

  /** Asks etcd for the position. */
  requestProgress(): void {
    this.#upstream?.requestProgress();
  }

  close(why: FeedEnd = { why: 'unused' }): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#cancelLinger();
    this.#cancelReopen();
    this.#cancelRound();
    this.#positionWaiters.close();
    this.#upstream?.close();
    this.#upstream = null;
    this.#interruptFollower();
    const left: Watcher[] = [...this.#future, ...this.waiting];
    for (const view of this.views.values()) {
      for (const watcher of [...view.live]) {
        watcher.next = Math.max(watcher.next, this.rounded + 1);
        view.remove(watcher);
        left.push(watcher);
      }
    }
    this.#future.clear();
    this.waiting.clear();
    this.history.clear();
    this.#host.onFeedClosed(this, left, why);
  }

  // ---- From the upstream watch ----

  onCreated(response: WatchResponse): void {
    this.header = Uint8Array.from(response.header);
    if (this.state === 'closed' || this.state === 'live') return;
    this.#backoffMs = 0;
    if (this.#startRevision === 0) this.#beginAfter(response.revision);
    this.#becomeLive();
  }

  /** etcd has chosen where the feed begins: it may send events of earlier revisions, which are dropped. */
  #beginAfter(revision: number): void {
    this.rounded = revision;
    this.#assembler.startAfter(revision);
    this.history.start = revision + 1;
  }

  onEvents(response: WatchResponse): void {
    if (this.state === 'closed') return;
    const isNotification = response.events === 0 && !response.isFragment;
    const batches = this.#assembler.take(response);
    if (response.header.length > 0) this.header = Uint8Array.from(response.header);
    for (const batch of batches) this.#host.context.stats.upstreamEvents += batch.count;
    if (batches.length > 0) this.#follower?.onBatches(batches);
    this.history.append(batches);
    this.#scheduleRound(false);
    this.history.trim();
    if (this.state === 'opening') this.#becomeLive();
    if (!isNotification || response.revision < this.position) return;
    if (this.#host.context.ordersProgress()) this.#follower?.onPosition(response.revision);
    // The events before the notification are delivered first.
    this.round();
    this.notifyPosition();
  }

  onProgress(response: WatchResponse): void {
    if (this.state === 'closed') return;
    this.header = Uint8Array.from(response.header);
    const { revision } = response;
    const { context } = this.#host;
    if (context.ordersProgress()) {
      this.#assembler.take(response);
      this.#follower?.onPosition(revision);
      this.#scheduleRound(false);
    } else {
      context.clock.after(context.limits.progressGraceMs, () =>
        this.#positionWaiters.onUnordered(revision),
      );
    }
    if (this.state === 'opening') this.#becomeLive();
  }

  onCanceled(response: WatchResponse): void {
    this.#upstream = null;
    this.#interruptFollower();
    if (this.state === 'closed') return;
    const { compactRevision } = response;
    if (compactRevision > 0 && compactRevision === this.position + 1 && this.position > 0) {
      // Only the revision before the next one is compacted.
      this.#startRevision = compactRevision;
      this.#reopenLater();
    } else if (compactRevision > 0) this.close({ why: 'compacted', response });
    else if (response.isStaleToken) this.#reopenLater();
    else this.close({ why: 'canceled', response });
  }

  onLost(status: Status): void {
    this.#upstream = null;
    this.#interruptFollower();
    if (this.state === 'closed') return;
    if (this.#host.endsClientStreams(status)) {
      this.close({ why: 'ended', status });
      return;
    }
    // The revision at the position is sent again and dropped: a watch never starts after the current revision.
    if (this.state !== 'opening') this.#startRevision = Math.max(1, this.position);
    this.#reopenLater();
  }

  // ---- Rounds ----

  /** Delivers everything that has arrived since the last round: one response per watcher, however many events. */
  round(): void {
    this.#isRoundDue = false;
    this.#cancelRound();
    if (this.state === 'closed') return;
    const from = this.rounded + 1;
    const to = this.position;
    if (to < from) return;
    const batches = this.history.between(from, to);
    this.rounded = to;
    if (batches.length > 0) {
      this.#host.context.stats.rounds += 1;
      let writes = 0;
      let responses = 0;
      for (const view of this.views.values()) {
        responses += view.live.length;
        writes += view.deliver(batches, from);
      }
      this.#pace.onRound(this.#host.context.clock.nowMs(), writes, responses, batches.length);
    }
    // Before the history is trimmed: a watcher that starts within the round is served from it.
    for (const watcher of this.#future) if (watcher.next <= to + 1) this.#promote(watcher);
    this.history.trim();
    this.#positionWaiters.notify();
  }

  /** A watcher that started in the future has been reached. */
  #promote(watcher: Watcher): void {
    this.#future.delete(watcher);
    if (!this.catchUp(watcher)) detach(watcher, this.#host.context.stats);
    else if (watcher.state !== WatcherState.ENDED) this.#makeLive(watcher);
  }

  notifyPosition(): void {
    for (const view of this.views.values()) view.notifyPosition(this.rounded, this.header);
  }

  requestRound(): void {
    this.#scheduleRound(true);
  }

  /** `isUrgent`: without a pause. */
  #scheduleRound(isUrgent: boolean): void {
    if (this.#isRoundDue && !(isUrgent && this.#isPausing)) return;
    this.#isRoundDue = true;
    this.#cancelRound();
    const { clock, defer } = this.#host.context;
    const waitMs = this.#pace.nextMs - clock.nowMs();
    this.#isPausing = !isUrgent && waitMs > 0;
    if (this.#isPausing) this.#cancelRound = clock.after(waitMs, () => this.round());
    else defer(() => this.round());
  }

  #interruptFollower(): void {
    const follower = this.#follower;
    this.#follower = null;
    follower?.onInterrupted();
  }

  // ---- State ----

  #becomeLive(): void {
    if (this.state === 'live' || this.state === 'closed') return;
    this.state = 'live';
    this.#positionWaiters.onLive();
    this.#host.onFeedLive(this);
  }

  #reopenLater(): void {
    if (this.state === 'live') this.state = 'broken';
    const { clock, limits, random } = this.#host.context;
    const delayMs =
      this.#backoffMs === 0 ? 0 : random.integer(this.#backoffMs >> 1, this.#backoffMs + 1);
    this.#backoffMs = Math.min(
      Math.max(this.#backoffMs * 2, limits.backoffMsMin),
      limits.backoffMsMax,
    );
    this.#cancelReopen();
    this.#cancelReopen = clock.after(delayMs, () => {
      if (this.state !== 'closed' && this.#upstream === null) this.open();
    });
  }

  #onLinger(): void {
    if (this.watchers === 0) this.close();
  }
}
