/**
 * The watch protocol of client streams, in tenant space. The watchers of a stream join feeds that they share with all other
 * watchers of their tenant, unless the stream must have a stream to etcd of its own. Other methods pass through unchanged.
 */
import { type Call, type Layer, tenantOf } from '../call/call.ts';
import { method } from '../etcd/methods.ts';
import { metadataValue } from '../grpc/metadata.ts';
import type { Usage } from '../tenant/usage.ts';
import type { WatchHub } from './hub/hub.ts';
import { DirectStream } from './stream/direct-stream.ts';
import { OpenWatches } from './stream/open-watches.ts';
import { SharedStream } from './stream/shared-stream.ts';
import type { WatchLimits } from './stream/watch-limits.ts';

const watchMethod = method('etcdserverpb.Watch/Watch');

export interface WatchOptions {
  readonly limits: WatchLimits;
  readonly hub: WatchHub;
  /** What all tenants of the process together use. */
  readonly total: Usage;
  /** Whether the watchers of the stream may join feeds. False for clients whose own credentials are passed to etcd. */
  readonly isShared: (call: Call) => boolean;
}

export function watch({ limits, hub, total, isShared }: WatchOptions): Layer<'tenant'> {
  return (next) => {
    hub.connect(next);
    return {
      unary: (call, request, responses) => next.unary(call, request, responses),
      stream: (call, responses) => {
        if (call.method !== watchMethod) return next.stream(call, responses);
        const tenant = tenantOf(call);
        const { floor, usage } = tenant.state;
        const open = new OpenWatches(usage, total);
        if (isShared(call)) {
          const requiresLeader = metadataValue(call.metadata, 'hasleader') === 'true';
          const tenantHub = hub.of(tenant, requiresLeader);
          const stream = new SharedStream(responses, tenantHub, tenant, limits, open);
          stream.limitTo(call.deadlineMs);
          return stream;
        }
        const stream = new DirectStream(responses, floor, limits, open);
        stream.attachStream(next.stream(call, stream));
        return stream;
      },
    };
  };
}
