/**
 * The handler that most unary methods share: rewrite the request or reject it, pass it on, rewrite the response. A rejected
 * request has not reached the cluster.
 */
import { type Call, type Etcd, type Message, type Responses, tenantOf } from '../call/call.ts';
import { refusal } from '../call/refusals.ts';
import { requestFault } from '../call/request-fault.ts';
import { type CallHandle, endedCall, type ResponseSink } from '../grpc/call.ts';
import type { Status } from '../grpc/status.ts';
import type { FloorCheck } from './compaction/floor-check.ts';
import type { ToUnary } from './handler.ts';
import type { NamespaceHooks } from './hooks.ts';
import { applyNamespace } from './key-rewriting.ts';
import { NamespacedCall } from './namespaced-call.ts';

/** `isBelowFloor` for methods that can read at a revision, null for all others. */
export function rewritten(isBelowFloor: FloorCheck | null): ToUnary {
  return (next, { hooks }) =>
    (call, request, responses) => {
      const { keySpace, state } = tenantOf(call);
      const stored = applyNamespace(call.method, request, keySpace);
      if (typeof stored === 'string') return rejected(responses, requestFault(call.method, stored));
      if (isBelowFloor?.(stored, state.floor)) return rejected(responses, refusal('compacted'));
      return send(next, hooks, call, stored, responses);
    };
}

/** For a handler that does not rewrite the request itself: rejects one that the rewriters would not pass on. */
export function checked(handler: ToUnary): ToUnary {
  return (next, options) => {
    const handle = handler(next, options);
    return (call, request, responses) => {
      const stored = applyNamespace(call.method, request, tenantOf(call).keySpace);
      return typeof stored === 'string'
        ? rejected(responses, requestFault(call.method, stored))
        : handle(call, request, responses);
    };
  };
}

/** For calls on the whole cluster by its owner: neither direction is rewritten. */
export const passed: ToUnary = (next) => (call, request, responses) =>
  next.unary(call, asStored(request), asStoredSink(responses));

/** Sends a request that is already rewritten. Its response is rewritten unless the method's responses carry no keys. */
export function send(
  next: Etcd<'store'>,
  hooks: NamespaceHooks,
  call: Call,
  stored: Message<'store'>,
  responses: Responses<'tenant'>,
): CallHandle {
  if (call.method.response === 'Plain') return next.unary(call, stored, asStoredSink(responses));
  const namespaced = new NamespacedCall(call, responses, hooks);
  namespaced.attach(next.unary(call, stored, namespaced));
  return namespaced;
}

/** Ends a call that has not been passed on. */
export function rejected(responses: Responses<'tenant'>, status: Status): CallHandle {
  responses.end(status);
  return endedCall;
}

/** A message without keys and leases, which is the same in both spaces. */
export function asStored(request: Message<'tenant'>): Message<'store'> {
  return request as Uint8Array as Message<'store'>;
}

/** A sink that receives only messages that are the same in both spaces. */
export function asStoredSink(responses: Responses<'tenant'>): Responses<'store'> {
  return responses as ResponseSink;
}
