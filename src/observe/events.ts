/**
 * The hooks of the observe layer. An unused hook is null and costs one comparison. A hook reads the record it receives and
 * does not keep it. Records contain no values and no credentials, and keys only if that is configured.
 */
import type { Call } from '../call/call.ts';

/** One call as its client sees it. */
export interface CallRecord {
  readonly call: Call;
  /** From the start of the call to its end. 0 while it is open. */
  readonly durationMs: number;
  /** The gRPC code, `Code.CANCELLED` if `isCancelled`. -1 while the call is open. */
  readonly code: number;
  /** The text of the status. Empty with OK. */
  readonly text: string;
  /** The client cancelled the call or disconnected before its end, or a fault ended the call. */
  readonly isCancelled: boolean;
  readonly requestMessages: number;
  readonly requestBytes: number;
  readonly responseMessages: number;
  readonly responseBytes: number;
  /** The printable key of a unary request. Empty unless keys may be logged. */
  readonly key: string;
}

export interface CallEvents {
  /** Called when a stream opens. */
  readonly opened: ((record: CallRecord) => void) | null;
  /** Called at the end of every call. */
  readonly ended: ((record: CallRecord) => void) | null;
  /**
   * Called before `ended` for a call that a layer below observe rejects. `reason` is the name of the refusal in
   * call/refusals.ts, and `hint` is the advice that the client receives with it, if there is one.
   */
  readonly rejected:
    | ((record: CallRecord, reason: string, hint: string | undefined) => void)
    | null;
}

export const noCallEvents: CallEvents = { opened: null, ended: null, rejected: null };
