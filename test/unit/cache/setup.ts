/** Reads and one watch of a tenant with cache-reads, over a fake etcd that responds when the test says so. */
import { cache } from '../../../src/cache/cache.ts';
import {
  type CacheContext,
  type CacheLimits,
  cacheLimits,
  newCacheContext,
} from '../../../src/cache/cache-context.ts';
import { Deadlines } from '../../../src/runtime/deadlines.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { Usage } from '../../../src/tenant/usage.ts';
import { watchLimits } from '../../../src/watch/stream/watch-limits.ts';
import { watch } from '../../../src/watch/watch.ts';
import { Caller } from '../../support/caller.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../support/codec.ts';
import { type EtcdCall, FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { RangeRequest, WatchCreateRequest } from '../../support/messages.ts';
import { type CallOptions, callOf, onBytes, testTenant } from '../../support/test-call.ts';
import { testHub } from '../../support/watch-hub.ts';

export const rangeMethod = 'etcdserverpb.KV/Range';
const watchMethod = 'etcdserverpb.Watch/Watch';
export const watched = { key: Buffer.from('k/'), range_end: Buffer.from('k0') };

export function headerAt(revision: number) {
  return { cluster_id: '7', member_id: '8', revision: String(revision), raft_term: '3' };
}

export function pair(key: string, modRevision: number, value = `v${modRevision}`) {
  return {
    key: Buffer.from(key),
    create_revision: '1',
    mod_revision: String(modRevision),
    version: '1',
    value: Buffer.from(value),
  };
}

type Pair = ReturnType<typeof pair>;

export class Read {
  readonly caller = new Caller();
  readonly handle;

  constructor(start: (caller: Caller) => { cancel(): void; pauseResponses(): void }) {
    this.handle = start(this.caller);
  }

  /** The keys, the count and the revision of the response; null without one. */
  get result(): string | null {
    const [message] = this.caller.messages;
    if (message === undefined) return null;
    const { kvs, count, header } = decodeResponse(rangeMethod, message);
    const keys = kvs.map(({ key, value }) => `${key.toString()}=${value.toString()}`);
    return `${keys.join(' ')} (${count}) at ${header?.revision}`;
  }
}

export class CacheSetup {
  readonly clock = new ManualClock();
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly tenant: Tenant;
  readonly context: CacheContext;
  readonly layer;
  ordersProgress = true;
  keysOnlyLeases: boolean | null = true;
  /** The stream of the feeds. */
  feed: EtcdCall<'tenant'> | null = null;
  #watches = 0;
  #client: ReturnType<typeof this.layer.stream> | null = null;

  constructor(limits: Partial<CacheLimits> = {}, tenant: Partial<Tenant> = {}) {
    this.tenant = testTenant('game-1', { cachesReads: true, ...tenant });
    this.context = newCacheContext(
      {
        clock: this.clock,
        deadlines: new Deadlines(this.clock),
        ordersProgress: () => this.ordersProgress,
        keysOnlyLeases: () => this.keysOnlyLeases,
      },
      { ...cacheLimits, ...limits },
    );
    const hub = testHub(this.clock, 20_000, () => this.ordersProgress);
    const isShared = ({ peer }: { peer: { listener: string } }) => peer.listener !== 'passing';
    const watches = watch({ limits: watchLimits, hub, total: new Usage(), isShared });
    this.layer = onBytes(cache({ context: this.context, hub, isShared })(watches(this.etcd)));
  }

  /** Opens a watch, which etcd creates at `revision`. */
  watch(create: WatchCreateRequest = watched, revision = 100): Caller {
    const caller = new Caller();
    const call = callOf(watchMethod, { tenant: this.tenant });
    const client = this.layer.stream(call, caller);
    client.send(encodeRequest(watchMethod, { create_request: create }));
    this.respond(this.etcd.last, revision);
    this.feed ??= this.etcd.last;
    this.#watches += 1;
    const created = { header: headerAt(revision), watch_id: this.#watches, created: true };
    this.feed.deliver(encodeResponse(watchMethod, created));
    this.#client = client;
    return caller;
  }

  unwatch(): void {
    this.#client?.cancel();
  }

  read(request: RangeRequest = {}, options: CallOptions = {}): Read {
    const call = callOf(rangeMethod, { tenant: this.tenant, ...options });
    const bytes = encodeRequest(rangeMethod, { ...watched, ...request });
    return new Read((caller) => this.layer.unary(call, bytes, caller));
  }

  /** The calls that have reached etcd since the last time. */
  takeCalls(): readonly EtcdCall<'tenant'>[] {
    return this.etcd.calls.splice(0);
  }

  /** Ends a read at etcd. Throws without one. */
  respond(
    call: EtcdCall<'tenant'> | undefined,
    revision: number,
    kvs: readonly Pair[] = [],
    more = false,
  ): void {
    if (call === undefined) throw new Error('no read has reached etcd');
    const response = { header: headerAt(revision), kvs, more, count: String(kvs.length) };
    call.respond(encodeResponse(rangeMethod, response));
  }

  /**
   * Reads twice, so that the range is read into memory with `kvs` at `revision`, and takes all calls. The reads are over.
   */
  load(kvs: readonly Pair[], revision = 100): void {
    this.takeCalls();
    this.read();
    const [first] = this.takeCalls();
    this.respond(first, revision, kvs);
    this.read({ serializable: true }).handle.cancel();
    const [page] = this.takeCalls();
    this.respond(page, revision, kvs);
  }

  events(revision: number, ...changes: readonly (Pair | string)[]): void {
    const events = changes.map((change) =>
      typeof change === 'string'
        ? { type: 'DELETE', kv: { key: Buffer.from(change), mod_revision: String(revision) } }
        : { type: 'PUT', kv: change },
    );
    this.feed?.deliver(
      encodeResponse(watchMethod, { header: headerAt(revision), watch_id: '1', events }),
    );
  }

  progress(revision: number): void {
    this.feed?.deliver(encodeResponse(watchMethod, { header: headerAt(revision), watch_id: '-1' }));
  }

  /** How often the feed has asked etcd for its position. */
  get progressRequests(): number {
    return (this.feed?.requests ?? []).filter((bytes) =>
      Boolean(decodeRequest(watchMethod, bytes).progress_request),
    ).length;
  }

  /** The misses that were counted, by reason. */
  get misses(): Record<string, number> {
    const all = Object.entries(this.context.stats.misses);
    return Object.fromEntries(all.filter(([, count]) => count > 0));
  }
}
