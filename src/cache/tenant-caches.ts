/** The cached ranges of one tenant, and which of its feeds get one. */
import { containsRange, type KeyRange } from '../etcd/key-range.ts';
import type { Tenant } from '../tenant/tenant.ts';
import type { Feed } from '../watch/hub/feed.ts';
import type { WatchHub } from '../watch/hub/hub.ts';
import type { CacheContext, MissReason } from './cache-context.ts';
import type { TenantCacheMemory } from './cache-memory.ts';
import { type CacheEnd, RangeCache } from './range-cache.ts';

/** What is known about a feed without a cache. */
interface Demand {
  /** When it was last read. */
  readMs: number;
  /** It gets no cache before. */
  notBeforeMs: number;
}

export class TenantCaches {
  readonly #context: CacheContext;
  readonly #hub: WatchHub;
  readonly #memory: TenantCacheMemory;
  /** Newest first. */
  readonly #caches: RangeCache[] = [];
  readonly #demands = new WeakMap<Feed, Demand>();

  constructor(context: CacheContext, hub: WatchHub) {
    this.#context = context;
    this.#hub = hub;
    this.#memory = context.memory.newTenant();
  }

  /** The cache with every key of `range`, or the reason why the tenant has no such cache. */
  of(tenant: Tenant, range: KeyRange): RangeCache | MissReason {
    const nowMs = this.#context.clock.nowMs();
    for (const cache of this.#caches) {
      if (!containsRange(cache.found.feed.range, range)) continue;
      cache.onUse(nowMs);
      return cache;
    }
    // A range is not read for the sake of one key.
    if (range.end.length === 0) return 'single-key';
    const found = this.#hub.feedFor(tenant, range);
    if (found === null) return 'unwatched';
    const demand = this.#demandOf(found.feed);
    const isFirst = nowMs - demand.readMs > this.#context.limits.demandMs;
    demand.readMs = nowMs;
    if (nowMs < demand.notBeforeMs) return 'dropped';
    if (isFirst) return 'first';
    if (this.#caches.length >= this.#context.limits.rangesMax) return 'ranges';
    const cache = new RangeCache(this.#context, found, this.#memory, (end) =>
      this.#onClosed(cache, demand, end),
    );
    this.#caches.unshift(cache);
    cache.start();
    return cache;
  }

  #demandOf(feed: Feed): Demand {
    let demand = this.#demands.get(feed);
    if (demand === undefined) {
      demand = { readMs: Number.NEGATIVE_INFINITY, notBeforeMs: Number.NEGATIVE_INFINITY };
      this.#demands.set(feed, demand);
    }
    return demand;
  }

  #onClosed(cache: RangeCache, demand: Demand, end: CacheEnd): void {
    this.#caches.splice(this.#caches.indexOf(cache), 1);
    const { clock, limits } = this.#context;
    if (end === 'full') demand.notBeforeMs = clock.nowMs() + limits.fullMs;
    else if (end === 'failed') demand.notBeforeMs = clock.nowMs() + limits.retryMs;
  }
}
