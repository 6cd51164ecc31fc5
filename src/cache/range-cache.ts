/**
 * The current state of the range of a feed: read from etcd once, then kept current by the events of the feed.
 *
 *   loading ─pages read─▶ ready
 *      └────────┴─watch at etcd lost, feed closed, bound reached, unused─▶ closed
 *
 * The read is linearizable and is sent after the cache follows the feed, so every event after its revision arrives here. Nothing
 * but the feed changes the state. It ends with the watch at etcd, because a watch that begins again may do so on a member that
 * was restored from an older state.
 */
import type { Message } from '../call/call.ts';
import type { Method } from '../etcd/methods.ts';
import type { CancelTimer } from '../runtime/clock.ts';
import type { Batch } from '../watch/hub/batch.ts';
import type { FeedFollower } from '../watch/hub/feed-follower.ts';
import type { FoundFeed } from '../watch/hub/hub.ts';
import { ProgressPoll } from '../watch/hub/progress-poll.ts';
import { contentOf } from '../watch/stream/messages.ts';
import type { CacheContext } from './cache-context.ts';
import type { CountedRange, TenantCacheMemory } from './cache-memory.ts';
import { type Change, changesOf } from './change.ts';
import { Entries } from './entries.ts';
import { type Entry, entryBytes, entryOverheadBytes } from './entry.ts';
import { evaluate } from './evaluate.ts';
import { KeptResponses } from './kept-responses.ts';
import { Load, type LoadOwner } from './load.ts';
import { PermissionCheck } from './permission-check.ts';
import type { RangeQuery } from './range-query.ts';

/** Memory of a change that waits for the pages, without its entry. */
const changeBytes = 64;

/** `full`: a bound was reached. `failed`: etcd could not be read, or its state is older than what it has sent before. */
export type CacheEnd = 'interrupted' | 'full' | 'failed' | 'unused';

/** A read that waits for a revision. */
export interface CacheWaiter {
  /** The state has everything up to the revision. */
  onReached(): void;
  /** The range is in memory, and the state does not have everything up to the revision yet. May call `forget` alone. */
  onBehind(): void;
  /** The cache is closed. */
  onCacheClosed(): void;
}

/** A response in two pieces, for `deliverShared`. */
export interface CachedResponse {
  readonly head: Uint8Array;
  readonly tail: Message<'tenant'>;
  /** It was built for an earlier read. */
  readonly isKnown: boolean;
}

interface PendingChanges {
  readonly revision: number;
  readonly changes: readonly Change[];
}

export class RangeCache implements FeedFollower, CountedRange, LoadOwner {
  /** As counted against the bounds. */
  bytes = 0;
  /** Everything up to this revision is in the state. 0 while loading. */
  position = 0;
  state: 'loading' | 'ready' | 'closed' = 'loading';
  #usedMs: number;
  /** When the last event arrived. */
  changedMs = Number.NEGATIVE_INFINITY;
  readonly #context: CacheContext;
  readonly #found: FoundFeed;
  readonly #memory: TenantCacheMemory;
  readonly #onClosed: (end: CacheEnd) => void;
  readonly #entries = new Entries();
  readonly #load: Load;
  /** The revision that the pages are read at. */
  #loadRevision = 0;
  /** Where the feed was when the read was sent. */
  readonly #sentPosition: number;
  /** What has arrived while the pages are read. */
  #pending: PendingChanges[] = [];
  #pendingBytes = 0;
  /** A position that etcd has reported while the pages are read. */
  #reported = 0;
  readonly #waiters = new Map<CacheWaiter, number>();
  readonly #responses: KeptResponses;
  /** The header field of the feed that `header` is the content of. */
  #headerField: Uint8Array | null = null;
  #header: Uint8Array = new Uint8Array(0);
  readonly #poll: ProgressPoll;
  readonly #permission: PermissionCheck;
  #cancelIdle: CancelTimer = () => {};

  constructor(
    context: CacheContext,
    found: FoundFeed,
    memory: TenantCacheMemory,
    onClosed: (end: CacheEnd) => void,
  ) {
    this.#context = context;
    this.#found = found;
    this.#memory = memory;
    this.#onClosed = onClosed;
    this.#responses = new KeptResponses(context.responseMemory);
    const { hub, feed } = found;
    const { clock, limits } = context;
    this.#usedMs = clock.nowMs();
    this.#sentPosition = feed.position;
    this.#poll = new ProgressPoll(clock, limits, {
      isWaiting: () => this.#waiters.size > 0 && this.state === 'ready' && context.ordersProgress(),
      requestProgress: () => feed.requestProgress(),
    });
    const newCall = (readMethod: Method) =>
      hub.calls.read(readMethod, clock.nowMs() + limits.loadTimeoutMs);
    const permission = { next: hub.next, newCall, range: feed.range };
    this.#permission = new PermissionCheck(
      { ...permission, intervalMs: limits.permissionMs, onDenied: () => this.close('failed') },
      this.#usedMs,
    );
    this.#load = new Load(hub.next, newCall, limits, feed.range, this);
  }

  get found(): FoundFeed {
    return this.#found;
  }

  start(): void {
    this.#context.stats.ranges += 1;
    this.#context.stats.loads += 1;
    this.#memory.add(this);
    this.#found.feed.follow(this);
    this.#expectUse();
    this.#load.readPage();
  }

  /** A read uses the range. */
  onUse(nowMs: number): void {
    this.#usedMs = nowMs;
    if (this.state === 'ready') this.#permission.onUse(nowMs);
  }

  /** Notifies `waiter` once that the state has everything up to `revision`, later or before this returns, or that the cache is closed. */
  wait(waiter: CacheWaiter, revision: number): void {
    if (this.state === 'closed') waiter.onCacheClosed();
    else if (this.#hasReached(revision)) waiter.onReached();
    else {
      this.#waiters.set(waiter, revision);
      if (this.state === 'ready') waiter.onBehind();
      this.#poll.want(revision);
    }
  }

  /** `waiter` waits no longer. */
  forget(waiter: CacheWaiter): void {
    this.#waiters.delete(waiter);
  }

  /**
   * The response to `query`, which `request` contains, with the state of `position`. `header` is a header of etcd to build it
   * with: it is used as it is if its revision is `position`. Null if the state does not determine the response.
   */
  responseTo(query: RangeQuery, request: Uint8Array, header: Uint8Array): CachedResponse | null {
    const responses = this.#responses;
    const head = responses.headFor(header, this.position);
    const name = responses.nameOf(query, request);
    const known = name === null ? null : responses.find(name);
    if (known !== null) return { head, tail: known as Message<'tenant'>, isKnown: true };
    const built = evaluate(this.#entries, query);
    if (built === null) return null;
    if (name !== null) responses.keep(name, built);
    this.#context.responseMemory.count(built);
    return { head, tail: built as Message<'tenant'>, isKnown: false };
  }

  /** The content of the newest header that the feed has. */
  get header(): Uint8Array {
    const field = this.#found.feed.header;
    if (field !== this.#headerField) {
      this.#headerField = field;
      this.#header = contentOf(field);
    }
    return this.#header;
  }

  drop(): void {
    this.close('full');
  }

  close(end: CacheEnd): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#context.stats.ranges -= 1;
    this.#context.stats.drops += 1;
    this.#poll.close();
    this.#cancelIdle();
    this.#load.cancel();
    this.#found.feed.unfollow(this);
    this.#count(0);
    this.#memory.remove(this);
    this.#responses.clear();
    this.#pending = [];
    this.#onClosed(end);
    const waiters = [...this.#waiters.keys()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.onCacheClosed();
  }

  // ---- From the feed ----

  onBatches(batches: readonly Batch[]): void {
    this.changedMs = this.#context.clock.nowMs();
    for (const { revision, events } of batches) {
      if (this.state === 'closed') return;
      if (revision <= this.position) continue;
      const changes = changesOf(events);
      if (changes === null) this.close('failed');
      else if (this.state === 'loading') this.#postpone({ revision, changes });
      else this.#apply(revision, changes);
    }
    this.#afterChange();
  }

  onPosition(revision: number): void {
    if (this.state === 'loading') this.#reported = Math.max(this.#reported, revision);
    else this.position = Math.max(this.position, revision);
    this.#notify();
  }

  onInterrupted(): void {
    this.close('interrupted');
  }

  // ---- From the load ----

  onRevision(revision: number, count: number): void {
    this.#loadRevision = revision;
    // A cluster that was restored from an older state: the events of the feed would not fit.
    if (revision < this.#sentPosition) this.close('failed');
    else if (count * entryOverheadBytes > this.#context.limits.rangeBytesMax) this.close('full');
  }

  onEntry(entry: Entry): void {
    this.#entries.put(entry);
    if (this.#entries.bytes + this.#pendingBytes > this.bytes + countStepBytes) this.#recount();
  }

  onLoaded(): void {
    this.state = 'ready';
    this.position = this.#loadRevision;
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingBytes = 0;
    for (const { revision, changes } of pending) {
      if (revision > this.position) this.#apply(revision, changes);
    }
    this.position = Math.max(this.position, this.#reported);
    this.#afterChange();
    for (const waiter of this.#waiters.keys()) waiter.onBehind();
    this.#poll.begin();
  }

  onLoadFailed(): void {
    this.close('failed');
  }

  // ---- State ----

  #postpone(pending: PendingChanges): void {
    this.#pending.push(pending);
    for (const { entry, key } of pending.changes) {
      this.#pendingBytes += changeBytes + (entry === null ? key.length : entryBytes(entry));
    }
  }

  #apply(revision: number, changes: readonly Change[]): void {
    for (const { key, entry } of changes) {
      if (entry === null) this.#entries.delete(key);
      else this.#entries.put(entry);
    }
    this.position = revision;
    this.#responses.clear();
  }

  #afterChange(): void {
    this.#recount();
    this.#notify();
  }

  #recount(): void {
    if (this.state === 'closed') return;
    this.#count(this.#entries.bytes + this.#pendingBytes);
  }

  #count(bytes: number): void {
    const more = bytes - this.bytes;
    this.bytes = bytes;
    this.#memory.count(this, more);
  }

  // ---- Waiters ----

  #hasReached(revision: number): boolean {
    return this.state === 'ready' && this.position >= revision;
  }

  #notify(): void {
    if (this.#waiters.size === 0 || this.state !== 'ready') return;
    for (const [waiter, revision] of this.#waiters) {
      if (!this.#hasReached(revision)) continue;
      this.#waiters.delete(waiter);
      waiter.onReached();
    }
  }

  #expectUse(): void {
    const { clock, limits } = this.#context;
    const leftMs = this.#usedMs + limits.idleMs - clock.nowMs();
    if (leftMs <= 0) this.close('unused');
    else this.#cancelIdle = clock.after(leftMs, () => this.#expectUse());
  }
}

/** While pages are read, bytes are counted in steps of this size. */
const countStepBytes = 65_536;
