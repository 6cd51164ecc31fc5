/**
 * The two ends of a call, in bytes. The same shapes serve the listener, every layer of the pipeline and the upstream,
 * so that a layer with nothing to say on the way back hands its caller's reply down unchanged.
 *
 * Rules that hold everywhere:
 * - Bytes handed on are never written again by who handed them on, and may be kept. A kept request pins the read buffer it
 *   came from, so who keeps it for long copies it. An answer is its receiver's alone, who may also write to it.
 * - A reply is called from the moment the call starts, also before the starting function has returned. After `end`, and
 *   after the caller's `cancel`, it is not called again.
 * - `pause` asks the other side to stop sending messages; what is already under way may still arrive. `resume` undoes it.
 */
import type { Status } from './status.ts';

/** A call that was started, seen from above. */
export interface Ongoing {
  /** The caller lost interest. Stops the call as far down as it got; its reply hears nothing more. */
  cancel(): void;
  /** The caller cannot take more answers for now. */
  pause(): void;
  resume(): void;
}

/** The sending half of a stream. After `end` or `cancel` it is not called again. */
export interface Requests extends Ongoing {
  message(bytes: Uint8Array): void;
  /** Half-close. Answers keep flowing until the other side ends the call. */
  end(): void;
}

/** Where answers go. A unary call gets at most one message, then `end`. */
export interface Reply {
  message(bytes: Uint8Array): void;
  end(status: Status): void;
  /** The way down is full: send no more requests for now. */
  pause(): void;
  resume(): void;
}

/** What a layer returns for a call that it has already ended. */
export const settled: Requests = {
  cancel() {},
  pause() {},
  resume() {},
  message() {},
  end() {},
};
