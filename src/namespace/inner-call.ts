/** Calls that the proxy makes on the way of a client's: in its name, with its metadata and until its deadline. */
import { Call } from '../call/call.ts';
import type { Method } from '../etcd/methods.ts';

/** A call of `method` for whoever made `call`. What goes wrong with it ends `call`. */
export function innerCall(call: Call, method: Method): Call {
  const { metadata, deadlineMs, peer } = call;
  const inner = new Call({ method, metadata, deadlineMs, peer });
  inner.tenant = call.tenant;
  inner.rescuer = call.rescuer;
  return inner;
}
