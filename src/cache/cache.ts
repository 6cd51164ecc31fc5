/**
 * Reads of a watched range, from the proxy's memory. In tenant space, so that one response is delivered to every caller without
 * a copy, and above the watch layer, whose feeds keep the state current. All other calls pass, and are watched only for the
 * revision in their responses. The argument is in docs/adr/0032.
 */
import {
  type Call,
  type Etcd,
  type Layer,
  type Message,
  type OwnedMessage,
  type Requests,
  type Responses,
  tenantOf,
} from '../call/call.ts';
import { ForwardingCall, ForwardingEtcd } from '../call/forwarding.ts';
import { method } from '../etcd/methods.ts';
import type { CallHandle } from '../grpc/call.ts';
import { metadataValue } from '../grpc/metadata.ts';
import { StatePart } from '../tenant/state.ts';
import type { WatchHub } from '../watch/hub/hub.ts';
import type { CacheContext, MissReason } from './cache-context.ts';
import { CachedRead } from './cached-read.ts';
import { RangeCache } from './range-cache.ts';
import { type RangeQuery, readQuery, SortTarget } from './range-query.ts';
import { type SeenRevision, SeenRevisions } from './seen-revisions.ts';
import { TenantCaches } from './tenant-caches.ts';

const range = method('etcdserverpb.KV/Range');

export interface CacheOptions {
  readonly context: CacheContext;
  readonly hub: WatchHub;
  /** False for clients whose own credentials are passed to etcd: they may not be permitted to read the range. */
  readonly isShared: (call: Call) => boolean;
}

export function cache(options: CacheOptions): Layer<'tenant'> {
  return (next) => new Cache(options, next);
}

class Cache extends ForwardingEtcd<'tenant'> {
  readonly #options: CacheOptions;
  readonly #next: Etcd<'tenant'>;
  readonly #seen = new SeenRevisions();
  readonly #caches: StatePart<TenantCaches>;

  constructor(options: CacheOptions, next: Etcd<'tenant'>) {
    super(next);
    this.#options = options;
    this.#next = next;
    this.#caches = new StatePart(() => new TenantCaches(options.context, options.hub));
  }

  override unary(
    call: Call,
    request: Message<'tenant'>,
    responses: Responses<'tenant'>,
  ): CallHandle {
    if (!tenantOf(call).cachesReads) return super.unary(call, request, responses);
    const seen = this.#seen.of(call.peer);
    const noting = new NotingCall(responses, seen);
    noting.attach(
      call.method === range
        ? this.#read(call, request, noting, seen)
        : super.unary(call, request, noting),
    );
    return noting;
  }

  override stream(call: Call, responses: Responses<'tenant'>): Requests<'tenant'> {
    if (!tenantOf(call).cachesReads) return super.stream(call, responses);
    const noting = new NotingCall(responses, this.#seen.of(call.peer));
    noting.attachStream(super.stream(call, noting));
    return noting;
  }

  #read(
    call: Call,
    request: Message<'tenant'>,
    responses: Responses<'tenant'>,
    seen: SeenRevision,
  ): CallHandle {
    const { context } = this.#options;
    const query = readQuery(request);
    const found = query === null ? 'unusual' : this.#cacheFor(call, query);
    if (query !== null && found instanceof RangeCache) {
      const parts = { context, next: this.#next, call, request, query, responses, seen };
      const read = new CachedRead({ ...parts, cache: found });
      read.start();
      return read;
    }
    if (typeof found === 'string') context.stats.misses[found] += 1;
    return super.unary(call, request, responses);
  }

  #cacheFor(call: Call, query: RangeQuery): RangeCache | MissReason {
    if (query.revision > 0) return 'old-revision';
    // A fence costs as much as the read itself.
    if (query.end.length === 0 && !query.isSerializable) return 'single-key';
    if (!this.#options.isShared(call)) return 'credentials';
    // etcd rejects it without a leader, which only etcd knows.
    if (query.isSerializable && metadataValue(call.metadata, 'hasleader') === 'true')
      return 'unusual';
    if (query.keysOnly && !this.#setLeases(query)) return 'unusual';
    const tenant = tenantOf(call);
    return tenant.state.get(this.#caches).of(tenant, query);
  }

  /** Returns false if members differ in what they return. */
  #setLeases(query: RangeQuery): boolean {
    const hasLeases =
      query.sortTarget === SortTarget.VALUE || this.#options.context.keysOnlyLeases();
    query.omitsLeases = hasLeases === false;
    return hasLeases !== null;
  }
}

/** Notes the revision of every response. */
class NotingCall extends ForwardingCall<'tenant'> {
  readonly #seen: SeenRevision;

  constructor(above: Responses<'tenant'>, seen: SeenRevision) {
    super(above);
    this.#seen = seen;
  }

  override deliver(message: OwnedMessage<'tenant'>): void {
    this.#seen.note(message);
    super.deliver(message);
  }

  override deliverShared(head: Uint8Array, tail: Message<'tenant'>): void {
    this.#seen.note(head.length > 0 ? head : tail);
    super.deliverShared(head, tail);
  }
}
