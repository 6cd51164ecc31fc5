/**
 * The handler that most methods share: rewrite the request or refuse it, pass it down, rewrite the answer. Nothing has
 * reached the cluster when a request is refused.
 */
import { type Call, type Etcd, type Message, type Reply, tenantOf } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { requestRewriter } from '../etcd/rewriters.ts';
import { type Ongoing, settled } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type { WireFault } from '../rewrite/fault.ts';
import type { FloorCheck } from './compaction/floor.ts';
import type { ToUnary } from './handler.ts';
import type { NamespaceHooks } from './hooks.ts';
import { StrippingReply } from './reply.ts';

/** `isBelowFloor` for methods that can read at a revision, null for all others. */
export function rewritten(isBelowFloor: FloorCheck | null): ToUnary {
  return (next, { hooks }) =>
    (call, request, reply) => {
      const { keySpace, floor } = tenantOf(call);
      const stored = requestRewriter(call.method).rewrite(request, keySpace);
      if (typeof stored === 'string') {
        reply.end(faultRefusal(call, stored));
        return settled;
      }
      if (floor.revision > 0 && isBelowFloor?.(stored, floor.revision)) {
        reply.end(refusal('compacted'));
        return settled;
      }
      return send(next, hooks, call, stored, reply);
    };
}

/** For what concerns the cluster as a whole, asked by its owner: neither way is anything rewritten. */
export const passed: ToUnary = (next) => (call, request, reply) =>
  next.unary(call, request as Message<never>, asStored(reply));

/** Sends a request that has been rewritten; its answer is rewritten on the way back. */
export function send(
  next: Etcd<'store'>,
  hooks: NamespaceHooks,
  call: Call,
  stored: Message<'store'>,
  reply: Reply<'tenant'>,
): Ongoing {
  if (call.method.response === 'Plain') return next.unary(call, stored, asStored(reply));
  const stripping = new StrippingReply(call, reply, hooks);
  return stripping.attach(next.unary(call, stored, stripping));
}

/** What a request is refused with that could not be rewritten. */
export function faultRefusal({ method }: Call, fault: WireFault): Status {
  const isUnknown = fault === 'key-empty' && method.failsAsUnknown;
  return refusal(isUnknown ? 'lock-key-empty' : fault);
}

/** A reply to which only messages will come that may be shown as they are. */
function asStored(reply: Reply<'tenant'>): Reply<'store'> {
  return reply as Reply<never>;
}
