/**
 * The request path, from the listener to etcd; responses take it in reverse. This list is the architecture. Each step is the
 * file of its name in the folder it is imported from, and no layer is composed anywhere else.
 */
import { authorize } from './admission/authorize.ts';
import { type LimitOptions, limit } from './admission/limit.ts';
import { type CacheOptions, cache } from './cache/cache.ts';
import type { Etcd, Layer, Space } from './call/call.ts';
import { type RescueOptions, rescue } from './call/rescue.ts';
import { guard } from './guard/guard.ts';
import type { GuardParts } from './guard/guard-parts.ts';
import { type AuthenticateOptions, authenticate } from './identity/authenticate.ts';
import { type IdentifyOptions, identify } from './identity/identify.ts';
import { type RenewOptions, renew } from './lease/renew.ts';
import { drain, type OpenStreams } from './lifecycle/drain.ts';
import { health } from './lifecycle/health.ts';
import type { Lifecycle } from './lifecycle/lifecycle.ts';
import type { NamespaceOptions } from './namespace/handler.ts';
import { namespace } from './namespace/namespace.ts';
import { type ObserveOptions, observe } from './observe/observe.ts';
import { type CallTracer, trace } from './observe/trace.ts';
import { type CoalesceOptions, coalesce } from './reads/coalesce.ts';
import { type WatchOptions, watch } from './watch/watch.ts';

/** What each step is made from. */
export interface Parts {
  readonly rescue: RescueOptions;
  readonly health: Lifecycle;
  readonly authenticate: AuthenticateOptions;
  readonly identify: IdentifyOptions;
  /** Null: tracing is off, and the pipeline has no such layer. */
  readonly trace: CallTracer | null;
  readonly observe: ObserveOptions;
  readonly drain: OpenStreams;
  readonly limit: LimitOptions;
  readonly cache: CacheOptions;
  readonly watch: WatchOptions;
  readonly coalesce: CoalesceOptions;
  readonly namespace: NamespaceOptions;
  readonly renew: RenewOptions;
  readonly guard: GuardParts;
  /** The end of the line: upstream/upstream.ts. */
  readonly upstream: Etcd<'store'>;
}

export function pipeline(parts: Parts): Etcd<'client'> {
  return (
    // Outermost: whatever is thrown below becomes one Internal status and one log line, for that call alone. Counts these calls.
    from(rescue(parts.rescue))
      // Reports the state of this process. Probes have no tenant, so it is above identify.
      .through(health(parts.health))
      // A user's password → a token. Above identify, because a client has no identity before it has the token.
      .through(authenticate(parts.authenticate))
      // Connection or metadata → tenant. Every layer below relies on the tenant. Counts the calls it rejects.
      .through(identify(parts.identify))
      // Call → trace. Below identify, so that only clients with a tenant cause spans, and above observe, which records their end.
      .through(trace(parts.trace))
      // Sees what the client sees, so it is above every layer that can reject a call.
      .through(observe(parts.observe))
      // Registers open streams, to end them one by one while the process drains. Below observe, which records that end.
      .through(drain(parts.drain))
      // Rejects methods on the whole cluster and writes of read-only tenants, before a call costs anything.
      .through(authorize())
      // Refuses calls above the limits of a tenant or of the process. Below authorize, so that a call that is rejected anyway uses up
      // no limit, and above everything that a call costs.
      .through(limit(parts.limit))
      // Reads of a range that is watched → memory. Above watch, whose feeds keep the memory current.
      .through(cache(parts.cache))
      // Watch IDs and compaction floor of client streams. Tenant space: IDs and floors are per tenant.
      .through(watch(parts.watch))
      // Identical serializable reads in flight → one. In tenant space, so that all callers share the rewritten response.
      .through(coalesce(parts.coalesce))
      // The tenant's keys and lease IDs → stored ones, and back. Layers below do not know tenants' names.
      .through(namespace(parts.namespace))
      // Many keepalive streams → few. In store space, because two tenants may use the same visible lease ID.
      .through(renew(parts.renew))
      // Deadline, breaker, hold, queues and the one retry of reads. Innermost: it judges single attempts.
      .through(guard(parts.guard))
      .into(parts.upstream)
  );
}

/** Layers so far, outermost first. The spaces of neighbours must match, so a wrong order does not compile. */
interface Line<Top extends Space, Bottom extends Space> {
  through<Next extends Space>(layer: Layer<Bottom, Next>): Line<Top, Next>;
  into(etcd: Etcd<Bottom>): Etcd<Top>;
}

function from<Top extends Space, Bottom extends Space>(
  layers: Layer<Top, Bottom>,
): Line<Top, Bottom> {
  return {
    through: (layer) => from((etcd) => layers(layer(etcd))),
    into: layers,
  };
}
