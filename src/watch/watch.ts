/**
 * The watch protocol of client streams, in tenant space: watch IDs, responses that the proxy builds itself, and the tenant's
 * compaction floor. Other methods pass through unchanged.
 */
import { type Layer, tenantOf } from '../call/call.ts';
import { method } from '../etcd/methods.ts';
import { type WatchLimits, WatchStream } from './stream/watch-stream.ts';

const watchMethod = method('etcdserverpb.Watch/Watch');

export function watch(limits: WatchLimits): Layer<'tenant'> {
  return (next) => ({
    unary: (call, request, responses) => next.unary(call, request, responses),
    stream: (call, responses) => {
      if (call.method !== watchMethod) return next.stream(call, responses);
      const stream = new WatchStream(responses, tenantOf(call).state.floor, limits);
      stream.attachStream(next.stream(call, stream));
      return stream;
    },
  });
}
