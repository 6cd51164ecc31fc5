/**
 * The straight line: the way of every request from the listener to etcd, and of its answer back. This list is the
 * architecture; each step is the folder of the same name, and no layer is wrapped anywhere else.
 */
import type { Etcd, Layer, Space } from './call/call.ts';

export interface Parts {
  readonly rescue: Layer<'client'>;
  readonly health: Layer<'client'>;
  readonly authenticate: Layer<'client'>;
  readonly identify: Layer<'client', 'tenant'>;
  readonly observe: Layer<'tenant'>;
  readonly drain: Layer<'tenant'>;
  readonly authorize: Layer<'tenant'>;
  readonly namespace: Layer<'tenant', 'store'>;
  readonly watchStreams: Layer<'store'>;
  readonly guard: Layer<'store'>;
  readonly upstream: Etcd<'store'>;
}

export function pipeline(parts: Parts): Etcd<'client'> {
  return (
    // Outermost: whatever is thrown below becomes one Internal status and one log line, for that call alone.
    from(parts.rescue)
      // Tells of this process and of no tenant's data, so probes need no identity.
      .through(parts.health)
      // A password → a token, for those who have none yet and are nobody until then.
      .through(parts.authenticate)
      // Connection or metadata → tenant: nothing below sees a call without one. Counts its own refusals.
      .through(parts.identify)
      // Sees what the tenant saw, refusals included.
      .through(parts.observe)
      // Holds the open streams, to end them one by one when the proxy goes away. Below observe: that end is seen too.
      .through(parts.drain)
      // Before anything that costs: methods that act on the whole cluster end here.
      .through(parts.authorize)
      // The tenant's keys and lease IDs → stored ones, and back. Nothing below knows tenants' names.
      .through(parts.namespace)
      // Watch IDs and compaction floors of a client's watch stream. Above the guard, whose retries it must not see.
      .through(parts.watchStreams)
      // Deadline, breaker, retry of reads, hold while nothing is connected. Innermost: judges single attempts.
      .through(parts.guard)
      .into(parts.upstream)
  );
}

/** Layers so far, outermost first. The spaces of neighbours must meet, so a wrong order does not compile. */
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
