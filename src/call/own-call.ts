/** Calls that the proxy makes at etcd for itself. They have its own identity: no listener passes credentials for them. */
import type { Method } from '../etcd/methods.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import type { Status } from '../grpc/status.ts';
import type { Peer } from '../grpc/transport.ts';
import type { OwnedBytes } from '../runtime/owned-bytes.ts';
import { builtMessage, Call, type Etcd, type Space } from './call.ts';

/** Such calls have no client. */
export const ownPeer: Peer = { listener: '', remote: '', certificate: null };

export interface OwnResult {
  readonly status: Status;
  /** Null if the call ended without one. */
  readonly message: Uint8Array | null;
}

/** `deadlineMs` is on the clock's monotonic scale. Never rejects. */
export function ownUnary<S extends Space>(
  etcd: Etcd<S>,
  method: Method,
  request: OwnedBytes,
  deadlineMs: number,
): Promise<OwnResult> {
  return new Promise((resolve) => {
    const response = new CollectedResponse((status, message) => resolve({ status, message }));
    const call = new Call({ method, metadata: [], deadlineMs, peer: ownPeer });
    etcd.unary(call, builtMessage(request), response);
  });
}
