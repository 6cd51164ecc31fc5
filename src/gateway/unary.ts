/**
 * A unary call that the gateway makes for a health check over HTTP, with the identity of its connection. It enters the pipeline
 * at the top, so it is identified, counted, rewritten and guarded like a call of a client, but not limited.
 */
import { Call, type Etcd, type Message } from '../call/call.ts';
import type { Method } from '../etcd/methods.ts';
import type { CallHandle } from '../grpc/call.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import type { Metadata } from '../grpc/metadata.ts';
import type { Status } from '../grpc/status.ts';
import type { Peer } from '../grpc/transport.ts';

/** What the calls for one HTTP request have in common. */
export interface RequestContext {
  readonly etcd: Etcd<'client'>;
  readonly peer: Peer;
  readonly metadata: Metadata;
  /** On the clock's monotonic scale. */
  readonly deadlineMs: number;
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal;
}

export interface UnaryResult {
  readonly status: Status;
  /** Null if the call failed. */
  readonly message: Uint8Array | null;
}

/** Resolves at the end of the call. Never resolves if `signal` is aborted before that. */
export function unary(
  context: RequestContext,
  method: Method,
  request: Uint8Array,
): Promise<UnaryResult> {
  const { etcd, peer, metadata, deadlineMs, signal } = context;
  return new Promise((resolve) => {
    const response = new CollectedResponse((status, message) => resolve({ status, message }));
    const call = new Call({ method, metadata, deadlineMs, peer });
    call.isProbe = true;
    const handle: CallHandle = etcd.unary(call, request as Message<'client'>, response);
    const cancel = () => {
      if (!response.hasEnded) handle.cancel();
    };
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
