/** The border between the spaces: the only functions that turn a tenant's messages into stored ones and back. */
import type { Message, OwnedMessage } from '../call/call.ts';
import type { KeySpace } from '../etcd/key-space.ts';
import type { Method } from '../etcd/methods.ts';
import { requestRewriter, responseRewriter } from '../etcd/rewriters.ts';
import type { RewriteFault } from '../rewrite/fault.ts';

/** Visible → stored. Returns a fault for a request that must not be passed on. */
export function applyNamespace(
  method: Method,
  message: Message<'tenant'>,
  keySpace: KeySpace,
): Message<'store'> | RewriteFault {
  return requestRewriter(method).rewrite(message, keySpace) as Message<'store'> | RewriteFault;
}

/** Stored → visible, in place. Returns a fault for a response that must not be delivered. */
export function stripNamespace(
  method: Method,
  message: OwnedMessage<'store'>,
  keySpace: KeySpace,
): OwnedMessage<'tenant'> | RewriteFault {
  return responseRewriter(method).rewrite(message, keySpace) as
    | OwnedMessage<'tenant'>
    | RewriteFault;
}

/** Lease IDs of another namespace in the last response that `stripNamespace` has seen for this method. */
export function foreignLeases(method: Method): number {
  return responseRewriter(method).foreignLeases;
}
