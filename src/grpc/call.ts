/**
 * The two directions of a gRPC call, in bytes. Transports, layers and the upstream implement the same interfaces, so a layer
 * that does not change responses passes its caller's sink down unchanged.
 *
 * Ownership of bytes:
 * - A request message is shared. Neither side writes to it. A receiver may keep it, for example to repeat a call; it can lie
 *   in the read buffer of a connection, so a receiver that keeps it for long copies it.
 * - A response passed to `deliver` is owned by the receiver from then on. The receiver may rewrite it in place and release
 *   its memory.
 * - A response passed to `deliverShared` stays immutable. The same bytes may be queued on any number of connections.
 *
 * Order of calls:
 * - Responses may arrive before the function that started the call has returned.
 * - A response sink is not called after `end`, nor after its caller has called `cancel`.
 * - `pause…` applies backpressure. Messages already in flight may still arrive.
 */
import type { OwnedBytes } from '../runtime/owned-bytes.ts';
import type { Status } from './status.ts';

/** A started call, as its caller sees it. After the end of the call its methods have no effect. */
export interface CallHandle {
  /** Aborts the call. Its response sink is not called again. */
  cancel(): void;
  /** The caller cannot take more responses for now. */
  pauseResponses(): void;
  resumeResponses(): void;
}

/** The request direction of a stream. `send` is not called after `halfClose`, and nothing is called after `cancel`. */
export interface RequestSink<M extends Uint8Array = Uint8Array> extends CallHandle {
  send(message: M): void;
  /** No more requests follow. Responses continue until the peer ends the call. */
  halfClose(): void;
}

/** The response direction of a call. A unary call delivers at most one message, then ends. */
export interface ResponseSink<M extends Uint8Array = Uint8Array> {
  /** Transfers the ownership of `message` to the sink. */
  deliver(message: M & OwnedBytes): void;
  /**
   * One message in two pieces: a few bytes for this receiver, then bytes that many receivers share. `head` is borrowed: the
   * sink copies it before it returns.
   */
  deliverShared(head: Uint8Array, tail: M): void;
  end(status: Status): void;
  /** The request path is full: the caller must stop sending for now. */
  pauseRequests(): void;
  resumeRequests(): void;
}

/** What a layer returns for a call that has already ended. */
export const endedCall: RequestSink = {
  cancel() {},
  pauseResponses() {},
  resumeResponses() {},
  send() {},
  halfClose() {},
};
