/**
 * What is told about calls, and to whom. A hook that nobody uses is null and costs one comparison; a hook that is used
 * gets a record which it reads and forgets. Values and credentials are in no record; keys only where they were asked for.
 */
import type { Call } from '../call/call.ts';

/** One call, as its client saw it. */
export interface CallRecord {
  readonly call: Call;
  /** Milliseconds from its start to its end; 0 while it is open. */
  readonly durationMs: number;
  /** gRPC's code; `Code.CANCELLED` when the client went away first. -1 while it is open. */
  readonly code: number;
  /** The text of the status, empty with OK. */
  readonly text: string;
  /** The client went away before the answer. */
  readonly isCancelled: boolean;
  readonly requestMessages: number;
  readonly requestBytes: number;
  readonly responseMessages: number;
  readonly responseBytes: number;
  /** The key of a unary request, printable; empty unless keys may be logged. */
  readonly key: string;
}

export interface CallEvents {
  /** A stream was opened. */
  readonly opened: ((record: CallRecord) => void) | null;
  /** A unary call or a stream ended, in whatever way. */
  readonly ended: ((record: CallRecord) => void) | null;
  /**
   * We refused it. `reason` is the refusal's name in call/refusals.ts, `hint` what its client was told to do instead, if
   * anything. Told before `ended`.
   */
  readonly refused: ((record: CallRecord, reason: string, hint: string | undefined) => void) | null;
}

export const noCallEvents: CallEvents = { opened: null, ended: null, refused: null };
