/**
 * A unary call of the gateway's own making into the pipeline, with the identity of the connection that asks. It is one call
 * among the others: identified, counted, rewritten and guarded like those of clients.
 */
import { Call, type Etcd, type Message } from '../call/call.ts';
import type { Method } from '../etcd/methods.ts';
import type { CallHandle } from '../grpc/call.ts';
import { CollectedResponse } from '../grpc/collected-response.ts';
import type { Metadata } from '../grpc/metadata.ts';
import type { Status } from '../grpc/status.ts';
import type { Peer } from '../grpc/transport.ts';

export interface Asking {
  readonly etcd: Etcd<'client'>;
  readonly peer: Peer;
  readonly metadata: Metadata;
  /** On the clock's monotonic scale. */
  readonly deadlineMs: number;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export interface Answered {
  readonly status: Status;
  /** Null unless it succeeded. */
  readonly message: Uint8Array | null;
}

/** Resolves with how the call ended, and never when `signal` is aborted before that: nobody waits then. */
export function unary(asking: Asking, method: Method, request: Uint8Array): Promise<Answered> {
  const { etcd, peer, metadata, deadlineMs, signal } = asking;
  return new Promise((resolve) => {
    const response = new CollectedResponse((status, message) => resolve({ status, message }));
    const ongoing: CallHandle = etcd.unary(
      new Call({ method, metadata, deadlineMs, peer }),
      request as Message<'client'>,
      response,
    );
    const cancel = () => {
      if (!response.hasEnded) ongoing.cancel();
    };
    if (signal.aborted) cancel();
    else signal.addEventListener('abort', cancel, { once: true });
  });
}
