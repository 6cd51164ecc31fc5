/** The code under test: the layers of reads from memory and of watches, above an upstream. */
import { cache } from '../../src/cache/cache.ts';
import {
  type CacheContext,
  type CacheLimits,
  newCacheContext,
} from '../../src/cache/cache-context.ts';
import type { Etcd } from '../../src/call/call.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { Deadlines } from '../../src/runtime/deadlines.ts';
import { Usage } from '../../src/tenant/usage.ts';
import { WatchHub } from '../../src/watch/hub/hub.ts';
import { type HubLimits, HubStats } from '../../src/watch/hub/hub-context.ts';
import { watchLimits } from '../../src/watch/stream/watch-limits.ts';
import { watch } from '../../src/watch/watch.ts';
import type { Seeded } from '../support/seeded.ts';
import { credentialsListener } from './connection.ts';
import type { SimulatedTime } from './simulated-time.ts';

export interface ProxyOptions {
  readonly clock: Clock;
  readonly time: SimulatedTime;
  readonly random: Seeded;
  readonly upstream: Etcd<'tenant'>;
  readonly hubLimits: HubLimits;
  readonly cacheLimits: CacheLimits;
  /** Every member sends progress responses in order with events. */
  readonly isOrdered: boolean;
}

export class SimulatedProxy {
  readonly hub: WatchHub;
  readonly cache: CacheContext;
  /** What all tenants use, as their limits see it. */
  readonly total = new Usage();
  readonly etcd: Etcd<'tenant'>;

  constructor(options: ProxyOptions) {
    const { clock, time, random, upstream, hubLimits, cacheLimits, isOrdered } = options;
    const ordersProgress = () => isOrdered;
    this.hub = new WatchHub({
      clock,
      random: { integer: (min, max) => min + random.below(max - min) },
      defer: time.defer,
      limits: hubLimits,
      holdMs: Number.POSITIVE_INFINITY,
      stats: new HubStats(),
      ordersProgress,
      onFault: (error) => {
        throw error;
      },
    });
    const watches = watch({
      limits: watchLimits,
      hub: this.hub,
      total: this.total,
      isShared: () => true,
    });
    const deadlines = new Deadlines(clock);
    const keysOnlyLeases = () => true;
    this.cache = newCacheContext({ clock, deadlines, ordersProgress, keysOnlyLeases }, cacheLimits);
    const reads = cache({
      context: this.cache,
      hub: this.hub,
      isShared: ({ peer }) => peer.listener !== credentialsListener,
    });
    this.etcd = reads(watches(upstream));
  }
}
