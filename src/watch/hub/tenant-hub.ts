/**
 * The feeds of one tenant, and how a watcher joins one without missing or repeating an event:
 *
 * - A fence reads the current revision R after the create has arrived, and `created` carries R. A watch that starts "now" gets
 *   the events after R, from the history of the feed if the feed is already past R.
 * - A watch that starts at an older revision gets its history from the feed if that reaches back far enough, else through a
 *   private watch until it has caught up.
 */
import type { Etcd } from '../../call/call.ts';
import { type RefusalName, reasonTrailer, refusal } from '../../call/refusals.ts';
import { containsRange, type KeyRange } from '../../etcd/key-range.ts';
import { revisionOf } from '../../etcd/response-header.ts';
import { metadataValue } from '../../grpc/metadata.ts';
import { Code, type Status } from '../../grpc/status.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import { contentOf } from '../stream/messages.ts';
import { CatchUp, type CatchUpHost, canWaitInFeed } from './catch-up.ts';
import { Feed, type FeedEnd, type FeedHost } from './feed.ts';
import { feedKey } from './feed-key.ts';
import { Fence, type FencePoint } from './fence.ts';
import type { HistoryShare } from './history-share.ts';
import { HubCalls, type HubCallsOptions } from './hub-calls.ts';
import type { HubContext } from './hub-context.ts';
import { NewestHeader } from './newest-header.ts';
import { UpstreamStreams } from './upstream-streams.ts';
import type { UpstreamWatch, UpstreamWatchOwner, UpstreamWatchSpec } from './upstream-watch.ts';
import type { WatchResponse } from './watch-response.ts';
import { detach, moveTo, type Watcher, type WatcherSpec, WatcherState } from './watcher.ts';

const noLeaderText = 'etcdserver: no leader';
/** A key outside the namespace came back. The clients must see it, as on a stream that is not shared. */
const violation: RefusalName = 'stream-violation';

/** The range of a read is compared with those of at most this many feeds. */
const comparedFeedsMax = 256;

export interface TenantHubOptions extends HubCallsOptions {
  readonly history: HistoryShare;
  /** Called when a feed or a stream to etcd opens or closes. A hub without any is not in use. */
  readonly onUse: (hub: TenantHub, isInUse: boolean) => void;
}

export class TenantHub implements FeedHost, CatchUpHost {
  readonly context: HubContext;
  readonly history: HistoryShare;
  readonly fence: Fence;
  readonly calls: HubCalls;
  readonly #options: TenantHubOptions;
  readonly #feeds = new Map<string, Feed>();
  readonly #feedStreams: UpstreamStreams;
  readonly #catchUpStreams: UpstreamStreams;
  readonly #catchUps = new Map<Watcher, CatchUp>();
  /** Fence points of watchers that wait for their feed. */
  readonly #points = new Map<Watcher, FencePoint>();
  /** The newest header of a fence or a private create. */
  readonly #header = new NewestHeader();

  constructor(options: TenantHubOptions, tenant: Tenant) {
    this.#options = options;
    this.context = options.context;
    this.history = options.history;
    const calls = new HubCalls(options, tenant);
    this.calls = calls;
    this.fence = new Fence(options.next, (fenceMethod) => calls.fence(fenceMethod));
    const onChange = () => this.#noteUse();
    this.#feedStreams = new UpstreamStreams(
      this.context,
      (responses) => calls.openFeeds(responses),
      onChange,
    );
    this.#catchUpStreams = new UpstreamStreams(
      this.context,
      (responses) => calls.openCatchUps(responses),
      onChange,
    );
  }

  /** The content of a ResponseHeader with the newest revision known for `watcher` and its tenant. Empty if none is known. */
  headerFor(watcher: Watcher | null): Uint8Array {
    const newest = this.#header;
    const field = watcher?.feed?.header;
    if (field === undefined || field.length === 0) return newest.content;
    const header = contentOf(field);
    return revisionOf(header) >= newest.revision ? header : newest.content;
  }

  /** The layer that the hub calls. */
  get next(): Etcd<'tenant'> {
    return this.#options.next;
  }

  get feedCount(): number {
    return this.#feeds.size;
  }

  get feeds(): Iterable<Feed> {
    return this.#feeds.values();
  }

  /** A live feed that receives every event of `range`. Null without one among those that are compared. */
  feedFor(range: KeyRange): Feed | null {
    for (const prevKv of [false, true]) {
      const feed = this.#feeds.get(feedKey({ range, prevKv }));
      if (feed?.state === 'live') return feed;
    }
    let left = comparedFeedsMax;
    for (const feed of this.#feeds.values()) {
      if (feed.state === 'live' && containsRange(feed.range, range)) return feed;
      left -= 1;
      if (left === 0) return null;
    }
    return null;
  }

  /** Begins a join. The watcher's stream is called when it can be created, or when it cannot. */
  join(watcher: Watcher): void {
    this.context.stats.watchers += 1;
    this.#beginJoin(watcher);
  }

  #beginJoin(watcher: Watcher): void {
    const { spec } = watcher;
    if (spec.isEmpty || spec.startRevision < 0) {
      watcher.next = spec.startRevision;
      this.#openCatchUp(watcher);
    } else this.#fenceJoin(watcher);
  }

  /** The stream has responded to the create of `watcher`. Events may be delivered from here on. */
  start(watcher: Watcher): void {
    watcher.isCreated = true;
    if (watcher.state === WatcherState.JOINING) this.#place(watcher, true);
  }

  /** The stream takes responses again. */
  resume(watcher: Watcher): void {
    if (watcher.state === WatcherState.DETACHED) this.#place(watcher, false);
  }

  /** The client has cancelled the watch, or its stream has ended. */
  leave(watcher: Watcher): void {
    if (watcher.state === WatcherState.ENDED) return;
    moveTo(watcher, WatcherState.ENDED, this.context.stats);
    this.context.stats.watchers -= 1;
    this.#points.delete(watcher);
    this.#closeCatchUp(watcher);
    watcher.feed?.remove(watcher);
    watcher.feed = null;
  }

  /** Ends the streams of all watchers that are left. */
  close(): void {
    const end = { why: 'ended', status: refusal('draining') } as const;
    for (const feed of [...this.#feeds.values()]) feed.close(end);
    this.#feedStreams.close();
    this.#catchUpStreams.close();
  }

  // ---- Joining ----

  /** Without a fence, for example while the cluster has no quorum, etcd itself begins the watch: a member can do that alone. */
  #fenceJoin(watcher: Watcher): void {
    this.fence.wait((point) => {
      if (watcher.state === WatcherState.ENDED) return;
      if (point !== null) this.#onFence(watcher, point);
      else {
        watcher.next = watcher.spec.startRevision;
        this.#openCatchUp(watcher);
      }
    });
  }

  #onFence(watcher: Watcher, point: FencePoint): void {
    this.#header.note(point.header);
    const { startRevision } = watcher.spec;
    watcher.next = startRevision > 0 ? startRevision : point.revision + 1;
    this.#points.set(watcher, point);
    const backlog = point.revision + 1 - watcher.next;
    const isNear = backlog > 0 && backlog < this.context.limits.backlogRevisionsMax;
    this.#attach(watcher, isNear ? watcher.next : 0);
  }

  /** Attaches the watcher to the feed of its range. A new feed starts at `startRevision`, as `Feed` defines it. */
  #attach(watcher: Watcher, startRevision: number): void {
    const feed = this.#sharedFeed(watcher.spec, startRevision);
    feed.attach(watcher);
    if (feed.state === 'live') this.#onAttached(watcher);
    else feed.waiting.add(watcher);
  }

  /** The feed of the watcher is live. */
  #onAttached(watcher: Watcher): void {
    if (watcher.isCreated) {
      this.#place(watcher, false);
      return;
    }
    const point = this.#points.get(watcher);
    const { feed, spec } = watcher;
    if (point === undefined || feed === null) return;
    this.#points.delete(watcher);
    // A watch that starts now may start where its feed has just begun, which is after the fence.
    const header = contentOf(feed.header);
    const isBehindFeed = spec.startRevision === 0 && !feed.hasHistoryFor(watcher);
    if (isBehindFeed && revisionOf(header) === feed.rounded) {
      watcher.next = feed.rounded + 1;
      watcher.stream.onReady(watcher, this.#header.note(header));
    } else watcher.stream.onReady(watcher, point.header);
  }

  #sharedFeed(spec: WatcherSpec, startRevision: number): Feed {
    const key = feedKey(spec);
    const known = this.#feeds.get(key);
    if (known !== undefined) return known;
    const feed = new Feed(this, spec.range, spec.prevKv, startRevision);
    this.#feeds.set(key, feed);
    this.context.stats.feeds += 1;
    this.#noteUse();
    feed.open();
    return feed;
  }

  /** Finds the place of a created watcher: its feed, the history of the feed, or a private watch. */
  #place(watcher: Watcher, isJoin: boolean): void {
    const { feed } = watcher;
    const { stats } = this.context;
    if (feed === null || feed.state === 'closed') {
      this.#reattach(watcher);
    } else if (feed.state === 'opening') {
      feed.waiting.add(watcher);
    } else if (!feed.hasHistoryFor(watcher)) {
      if (isJoin) stats.joinsPrivate += 1;
      this.#openCatchUp(watcher);
    } else {
      if (isJoin && watcher.next <= feed.rounded) stats.joinsFromHistory += 1;
      else if (isJoin) stats.joinsNow += 1;
      if (!feed.catchUp(watcher)) detach(watcher, stats);
      else if (watcher.state !== WatcherState.ENDED) feed.admit(watcher);
    }
  }

  /**
   * The feed of a created watcher has closed under it. `compacted` is the newest compaction if that is why.
   */
  #reattach(watcher: Watcher, compacted = 0): void {
    watcher.feed?.remove(watcher);
    watcher.feed = null;
    moveTo(watcher, WatcherState.JOINING, this.context.stats);
    // A watcher whose create etcd judged has no feed, and none of its range exists.
    if (watcher.spec.isEmpty || watcher.spec.startRevision < 0) this.#openCatchUp(watcher);
    else {
      const current = Math.max(this.#header.revision, compacted);
      this.#attach(watcher, watcher.next <= current ? watcher.next : 0);
    }
  }

  // ---- FeedHost ----

  endsClientStreams(status: Status): boolean {
    const isViolation = metadataValue(status.trailers, reasonTrailer) === violation;
    return isViolation || (this.#options.requiresLeader && status.text === noLeaderText);
  }

  watchUpstream(spec: UpstreamWatchSpec, owner: UpstreamWatchOwner): UpstreamWatch {
    return this.#feedStreams.watch(spec, owner);
  }

  onFeedLive(feed: Feed): void {
    const waiting = [...feed.waiting];
    feed.waiting.clear();
    for (const watcher of waiting) {
      if (watcher.state !== WatcherState.ENDED) this.#onAttached(watcher);
    }
  }

  onFeedClosed(feed: Feed, watchers: readonly Watcher[], end: FeedEnd): void {
    const key = feedKey(feed);
    if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
    this.context.stats.feeds -= 1;
    this.#noteUse();
    for (const watcher of watchers) {
      if (watcher.state === WatcherState.ENDED) continue;
      switch (end.why) {
        case 'compacted':
          this.#onCompacted(watcher, end.response);
          break;
        case 'canceled':
          watcher.stream.onWatchEnded(watcher, end.response);
          break;
        case 'ended':
          watcher.stream.onStreamEnded(end.status);
          break;
        case 'unused':
          this.#reattach(watcher);
          break;
        default:
          end satisfies never;
      }
    }
  }

  #onCompacted(watcher: Watcher, response: WatchResponse): void {
    const isLost = watcher.next < response.compactRevision;
    if (watcher.isCreated) {
      if (isLost) watcher.stream.onWatchEnded(watcher, response);
      else this.#reattach(watcher, response.compactRevision);
      return;
    }
    // The client has no response yet. A watch that starts now starts again; etcd itself responds to an older one.
    watcher.feed?.remove(watcher);
    watcher.feed = null;
    this.#points.delete(watcher);
    if (watcher.spec.startRevision === 0 || !isLost) this.#fenceJoin(watcher);
    else this.#openCatchUp(watcher);
  }

  // ---- CatchUpHost ----

  watchPrivately(spec: UpstreamWatchSpec, owner: UpstreamWatchOwner): UpstreamWatch {
    return this.#catchUpStreams.watch(spec, owner);
  }

  onCatchUpCreated(catchUp: CatchUp, response: WatchResponse): void {
    const { watcher } = catchUp;
    const startsLater = watcher.next > response.revision;
    // A watch that starts now without a fence: etcd says where that is, and the feed of the range can begin there.
    if (watcher.next === 0) catchUp.startAt(response.revision + 1);
    // An old release accepts a negative revision, which is before all others.
    const isNegative = watcher.next < 0;
    if (isNegative) catchUp.startAt(1);
    if (watcher.feed === null) {
      const isPast = !isNegative && watcher.next <= response.revision;
      this.#sharedFeed(watcher.spec, isPast ? watcher.next : 0).attach(watcher);
    }
    if (startsLater && canWaitInFeed(watcher)) {
      this.#closeCatchUp(watcher);
      moveTo(watcher, WatcherState.JOINING, this.context.stats);
      if (watcher.isCreated) this.#place(watcher, false);
    }
    if (!watcher.isCreated)
      watcher.stream.onReady(watcher, this.#header.note(contentOf(response.header)));
  }

  onCaughtUp({ watcher }: CatchUp): void {
    this.#catchUps.delete(watcher);
    this.#place(watcher, false);
  }

  onCatchUpCanceled({ watcher }: CatchUp, response: WatchResponse): void {
    this.#catchUps.delete(watcher);
    watcher.stream.onWatchEnded(watcher, response);
  }

  onCatchUpLost({ watcher }: CatchUp, status: Status): void {
    this.#catchUps.delete(watcher);
    const isFinal = !watcher.isCreated && !this.#mayJoinAgain(watcher, status);
    if (isFinal || this.endsClientStreams(status)) {
      watcher.stream.onStreamEnded(status);
      return;
    }
    const { clock, limits, stats } = this.context;
    if (watcher.isCreated) {
      moveTo(watcher, WatcherState.DETACHED, stats);
      clock.after(limits.backoffMsMin, () => this.resume(watcher));
      return;
    }
    moveTo(watcher, WatcherState.JOINING, stats);
    // With a feed etcd has responded to the create: the watcher continues once its client has the response.
    if (watcher.feed === null) clock.after(limits.backoffMsMin, () => this.#joinAgain(watcher));
  }

  #mayJoinAgain({ joinedMs }: Watcher, { code }: Status): boolean {
    const { clock, holdMs } = this.context;
    return code === Code.UNAVAILABLE && clock.nowMs() - joinedMs < holdMs;
  }

  /** The other watches of the stream do not end with this one. The stream bounds how long its creates wait. */
  #joinAgain(watcher: Watcher): void {
    if (watcher.state === WatcherState.JOINING) this.#beginJoin(watcher);
  }

  #openCatchUp(watcher: Watcher): void {
    moveTo(watcher, WatcherState.PRIVATE, this.context.stats);
    const catchUp = new CatchUp(this, watcher);
    this.#catchUps.set(watcher, catchUp);
    catchUp.open();
  }

  #closeCatchUp(watcher: Watcher): void {
    this.#catchUps.get(watcher)?.close();
    this.#catchUps.delete(watcher);
  }

  #noteUse(): void {
    const isIdle =
      this.#feeds.size === 0 && this.#feedStreams.isEmpty && this.#catchUpStreams.isEmpty;
    this.#options.onUse(this, !isIdle);
  }
}
