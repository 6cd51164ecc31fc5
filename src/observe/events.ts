/**
 * The hooks of the observe layer. An unused hook is null and costs one comparison. A hook reads the record and the message that
 * it receives and keeps neither. What it needs at the end of the call it notes in the record.
 */
import type { Call } from '../call/call.ts';
import type { CallSample } from './advice/call-sample.ts';
import type { Fields } from './logger.ts';

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
  /** What a log has noted about a unary call, for the line at its end. Null unless a log shows it. */
  operation: OperationNotes | null;
  /** What the advice has noted. Null unless the call is sampled, or a stream that it follows. */
  sample: CallSample | null;
}

/** Fields of log lines. They contain no values and no credentials, and keys only in the configured form. */
export interface OperationNotes {
  request?: Fields;
  response?: Fields;
}

export interface CallEvents {
  /** Called when a stream opens. */
  readonly opened: ((record: CallRecord) => void) | null;
  /** Called for the request of a unary call, and for each message of the client on a stream. */
  readonly request: ((record: CallRecord, message: Uint8Array) => void) | null;
  /** Called for each response. A shared response has two parts, each of whole fields; otherwise `tail` is empty. */
  readonly response: ((record: CallRecord, head: Uint8Array, tail: Uint8Array) => void) | null;
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

export const noCallEvents: CallEvents = {
  opened: null,
  request: null,
  response: null,
  ended: null,
  rejected: null,
};

/** Calls the hooks of each, in order. A hook that only one of them has is that hook itself. */
export function allOf(all: readonly CallEvents[]): CallEvents {
  return all.reduce(pair, noCallEvents);
}

function pair(one: CallEvents, other: CallEvents): CallEvents {
  return {
    opened: inTurn(one.opened, other.opened),
    request: inTurn(one.request, other.request),
    response: inTurn(one.response, other.response),
    ended: inTurn(one.ended, other.ended),
    rejected: inTurn(one.rejected, other.rejected),
  };
}

function inTurn<A extends readonly unknown[]>(
  one: ((...args: A) => void) | null,
  other: ((...args: A) => void) | null,
): ((...args: A) => void) | null {
  if (one === null || other === null) return one ?? other;
  return (...args) => {
    one(...args);
    other(...args);
  };
}
