/**
 * One read that a cached range may serve. A linearizable read first gets a revision from etcd that was read after it arrived,
 * then waits until the range is complete up to it. A serializable read waits only for what its connection has already seen.
 * Whenever that takes too long or cannot succeed, the read passes to etcd.
 */
import type { Call, Etcd, Message, Responses } from '../call/call.ts';
import { type CallHandle, endedCall } from '../grpc/call.ts';
import { ok } from '../grpc/status.ts';
import { Deadline } from '../runtime/deadlines.ts';
import type { FencePoint } from '../watch/hub/fence.ts';
import type { CacheContext, MissReason } from './cache-context.ts';
import type { CacheWaiter, RangeCache } from './range-cache.ts';
import type { RangeQuery } from './range-query.ts';
import type { SeenRevision } from './seen-revisions.ts';

export interface CachedReadParts {
  readonly context: CacheContext;
  readonly next: Etcd<'tenant'>;
  readonly call: Call;
  readonly request: Message<'tenant'>;
  readonly query: RangeQuery;
  readonly responses: Responses<'tenant'>;
  readonly cache: RangeCache;
  readonly seen: SeenRevision;
}

export class CachedRead extends Deadline implements CallHandle, CacheWaiter {
  readonly #parts: CachedReadParts;
  /** The call to etcd, once the read has passed to it. */
  #handle: CallHandle | null = null;
  #isOver = false;
  #isPaused = false;
  /** The content of the header that the fence has had. */
  #header: Uint8Array | null = null;
  /** Where the range was when the read arrived. */
  readonly #arrivalPosition: number;

  constructor(parts: CachedReadParts) {
    super();
    this.#parts = parts;
    this.#arrivalPosition = parts.cache.position;
  }

  start(): void {
    const { context, query, cache, seen, call } = this.#parts;
    const { deadlines, clock, limits } = context;
    const isReady = cache.state === 'ready' && cache.position >= seen.revision;
    if (isReady && query.isSerializable) {
      this.#respond();
      return;
    }
    const sentMs = clock.nowMs();
    deadlines.add(this, Math.min(sentMs + limits.waitMsMax, call.deadlineMs));
    if (query.isSerializable) cache.wait(this, seen.revision);
    else {
      cache.found.hub.fence.wait((point) => this.#guarded(() => this.#onFence(point, sentMs)));
    }
  }

  cancel(): void {
    if (this.#isOver) return;
    this.#leave();
    this.#handle?.cancel();
  }

  pauseResponses(): void {
    this.#isPaused = true;
    this.#handle?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.#handle?.resumeResponses();
  }

  override onDeadline(): void {
    this.#guarded(() => this.#passOn('late'));
  }

  onReached(): void {
    this.#guarded(() => this.#respond());
  }

  onBehind(): void {
    const { context, cache } = this.#parts;
    const { deadlines, clock, limits, ordersProgress } = context;
    if (ordersProgress()) return;
    const nowMs = clock.nowMs();
    // Only an event can show that the range is complete, and a range that does not change has none.
    if (nowMs - cache.changedMs > limits.unorderedQuietMs)
      this.#guarded(() => this.#passOn('late'));
    else deadlines.add(this, Math.min(nowMs + limits.unorderedWaitMsMax, this.dueMs));
  }

  onCacheClosed(): void {
    this.#guarded(() => this.#passOn('dropped'));
  }

  #onFence(point: FencePoint | null, sentMs: number): void {
    if (this.#isOver || this.#handle !== null) return;
    if (point === null) {
      this.#passOn('fence');
      return;
    }
    const { context, cache } = this.#parts;
    const { stats, clock } = context;
    stats.fencedReads += 1;
    stats.fenceMs += clock.nowMs() - sentMs;
    this.#header = point.header;
    // No cluster goes back behind what it has sent, unless it was restored from an older state.
    if (point.revision < this.#arrivalPosition) cache.close('failed');
    cache.wait(this, point.revision);
  }

  #respond(): void {
    if (this.#isOver || this.#handle !== null) return;
    const { context, query, request, responses, cache, seen } = this.#parts;
    const { stats, responseMemory } = context;
    if (this.#isPaused) {
      this.#passOn('slow-client');
      return;
    }
    if (responseMemory.isFull) {
      this.#passOn('response-memory');
      return;
    }
    const header = this.#header ?? cache.header;
    const response = cache.responseTo(query, request, header);
    if (response === null) {
      this.#passOn('order');
      return;
    }
    this.#leave();
    if (query.isSerializable) stats.serializableHits += 1;
    else stats.linearizableHits += 1;
    if (response.isKnown) stats.sharedResponses += 1;
    stats.responseBytes += response.head.length + response.tail.length;
    seen.noteRevision(cache.position);
    responses.deliverShared(response.head, response.tail);
    responses.end(ok);
  }

  #passOn(reason: MissReason): void {
    if (this.#isOver || this.#handle !== null) return;
    const { context, next, call, request, responses } = this.#parts;
    context.stats.misses[reason] += 1;
    this.#stopWaiting();
    this.#handle = endedCall;
    const handle = next.unary(call, request, responses);
    this.#handle = handle;
    // The client may have cancelled while the call was being started.
    if (this.#isOver) handle.cancel();
    else if (this.#isPaused) handle.pauseResponses();
  }

  #leave(): void {
    this.#isOver = true;
    this.#stopWaiting();
  }

  #stopWaiting(): void {
    this.#parts.context.deadlines.remove(this);
    this.#parts.cache.forget(this);
  }

  /** Runs what a timer or another call has caused. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#parts.call.fault(error);
    }
  }
}
