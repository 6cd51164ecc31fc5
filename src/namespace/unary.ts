/**
 * The handler that most methods share: rewrite the request or refuse it, pass it down, rewrite the answer. Nothing has
 * reached the cluster when a request is refused.
 */
import { type Message, type Reply, tenantOf } from '../etcd/api.ts';
import { refusal } from '../etcd/errors.ts';
import { requestRewriter } from '../etcd/rewriters.ts';
import { settled } from '../grpc/call.ts';
import type { FloorCheck } from './floor.ts';
import type { ToUnary } from './handler.ts';
import { StrippingReply } from './reply.ts';

/** `isBelowFloor` for methods that can read at a revision, null for all others. */
export function rewritten(isBelowFloor: FloorCheck | null): ToUnary {
  return (next, { hooks }) =>
    (call, request, reply) => {
      const { keySpace, floor } = tenantOf(call);
      const stored = requestRewriter(call.method).rewrite(request, keySpace);
      if (typeof stored === 'string') {
        reply.end(refusal(stored));
        return settled;
      }
      if (floor.revision > 0 && isBelowFloor?.(stored, floor.revision)) {
        reply.end(refusal('compacted'));
        return settled;
      }
      if (call.method.response === 'Plain') return next.unary(call, stored, asStored(reply));
      const stripping = new StrippingReply(call, reply, hooks);
      return stripping.attach(next.unary(call, stored, stripping));
    };
}

/** For methods that name neither keys nor leases: they are in both spaces at once. */
export const passed: ToUnary = (next) => (call, request, reply) =>
  next.unary(call, request as Message<never>, asStored(reply));

/** A reply to which only messages without keys and leases will come. */
function asStored(reply: Reply<'tenant'>): Reply<'store'> {
  return reply as Reply<never>;
}
