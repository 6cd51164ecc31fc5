/** The feeds of all tenants of the process. Each tenant's feeds are part of its state, which survives a reload. */
import type { Etcd } from '../../call/call.ts';
import type { KeyRange } from '../../etcd/key-range.ts';
import { printable } from '../../etcd/printable.ts';
import { StatePart, type TenantState } from '../../tenant/state.ts';
import type { Tenant } from '../../tenant/tenant.ts';
import type { Feed } from './feed.ts';
import { HistoryBudget, type HistoryShare } from './history-share.ts';
import type { HubContext, HubStats } from './hub-context.ts';
import { TenantHub } from './tenant-hub.ts';

/** One feed as operators see it. The range is printable, in visible keys. */
export interface FeedSnapshot {
  readonly tenant: string;
  readonly key: string;
  readonly end: string;
  readonly state: string;
  readonly revision: number;
  readonly watchers: number;
  readonly historyBytes: number;
}

export interface FoundFeed {
  readonly hub: TenantHub;
  readonly feed: Feed;
}

/** Streams that require a leader are ended by etcd while it has none, so their feeds are separate. */
interface TenantHubs {
  ordinary: TenantHub | null;
  requiringLeader: TenantHub | null;
  readonly history: HistoryShare;
}

export class WatchHub {
  readonly #context: HubContext;
  readonly #history: HistoryBudget;
  readonly #part = new StatePart<TenantHubs>(() => ({
    ordinary: null,
    requiringLeader: null,
    history: this.#history.newShare(),
  }));
  /** Only hubs in use, so that a tenant that a reload has removed is forgotten when its last feed has closed. */
  readonly #inUse = new Set<TenantHub>();
  #next: Etcd<'tenant'> | null = null;

  constructor(context: HubContext) {
    this.#context = context;
    this.#history = new HistoryBudget(context.limits.history, context.stats);
  }

  get stats(): HubStats {
    return this.#context.stats;
  }

  /** Sets the layer that feeds call. Once, when the pipeline is composed. */
  connect(next: Etcd<'tenant'>): void {
    this.#next = next;
  }

  of(tenant: Tenant, requiresLeader: boolean): TenantHub {
    const hubs = tenant.state.get(this.#part);
    const kind = requiresLeader ? 'requiringLeader' : 'ordinary';
    const hub = hubs[kind] ?? this.#newHub(tenant, requiresLeader, hubs.history);
    hubs[kind] = hub;
    hub.calls.tenant = tenant;
    return hub;
  }

  /** A live feed of the tenant that receives every event of `range`, and its hub. Null without one. */
  feedFor({ state }: Tenant, range: KeyRange): FoundFeed | null {
    const { ordinary, requiringLeader } = state.get(this.#part);
    for (const hub of [ordinary, requiringLeader]) {
      const feed = hub?.feedFor(range) ?? null;
      if (hub !== null && feed !== null) return { hub, feed };
    }
    return null;
  }

  /** How many feeds each tenant has. Without tenants that have none. */
  get feedCounts(): ReadonlyMap<TenantState, number> {
    const counts = new Map<TenantState, number>();
    for (const { calls, feedCount } of this.#inUse) {
      const { state } = calls.tenant;
      counts.set(state, (counts.get(state) ?? 0) + feedCount);
    }
    return counts;
  }

  snapshot(): readonly FeedSnapshot[] {
    return [...this.#inUse].flatMap((hub) =>
      Array.from(hub.feeds, (feed) => ({
        tenant: hub.calls.tenant.name,
        key: printable(feed.range.key),
        end: printable(feed.range.end),
        state: feed.state,
        revision: feed.position,
        watchers: feed.watchers,
        historyBytes: feed.history.bytes,
      })),
    );
  }

  close(): void {
    for (const hub of [...this.#inUse]) hub.close();
  }

  #newHub(tenant: Tenant, requiresLeader: boolean, history: HistoryShare): TenantHub {
    if (this.#next === null) throw new Error('the hub is not connected to a pipeline');
    const onUse = (hub: TenantHub, isInUse: boolean) => {
      if (isInUse) this.#inUse.add(hub);
      else this.#inUse.delete(hub);
    };
    const options = { context: this.#context, next: this.#next, requiresLeader, history, onUse };
    return new TenantHub(options, tenant);
  }
}
