/**
 * A call that we make: the stream and the sending half that the caller holds, in one object. Whatever ends it first
 * (trailers, a reset, the deadline, the caller) ends it once.
 */

import { ErrorCode } from '../../http2/frame.ts';
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import { Stream, type StreamConnection } from '../../http2/stream.ts';
import { Deadline, type Deadlines } from '../../runtime/deadlines.ts';
import { asOwned } from '../../runtime/owned-bytes.ts';
import type { RequestSink, ResponseSink } from '../call.ts';
import {
  type AssemblyBudget,
  isOneMessage,
  MessageReader,
  type MessageSink,
  messagePrefix,
  prefixBytes,
} from '../message-framing.ts';
import { Code, type Status, status } from '../status.ts';
import { plainHttpStatus, resetStatus, statusOf } from './status.ts';

/** etcd's answers have no limit of their own; this is the largest that a Buffer and a length prefix agree on. */
const answerBytesMax = 0x7fff_ffff;
/** What an answer that spans frames is given at once: copying a growing one would cost more than etcd could do with it. */
const firstBytesMax = 16_777_216;
const nothing = Buffer.alloc(0);
const cardinalityZero =
  'cardinality violation: received no response message from non-server-streaming RPC';
const cardinalityMany =
  'cardinality violation: expected <EOF> for non server-streaming RPCs, but received another message';

/** What all calls of a channel share. */
export interface Calling {
  readonly deadlines: Deadlines;
  readonly assembly: AssemblyBudget;
  readonly onFault: (fault: unknown) => void;
}

/** A call's time limit: an object of its own, since a call is a stream already. */
class CallDeadline extends Deadline {
  readonly #call: ClientCall;

  constructor(call: ClientCall) {
    super();
    this.#call = call;
  }

  override onDeadline(): void {
    this.#call.onDeadline();
  }
}

export class ClientCall extends Stream implements RequestSink, MessageSink {
  readonly #calling: Calling;
  readonly #reply: ResponseSink;
  readonly #isUnary: boolean;
  #deadline: CallDeadline | null = null;
  #reader: MessageReader | null = null;
  #messages = 0;
  #hasHeaders = false;
  #hasEnded = false;
  #hasHalfClosed = false;
  #hasPaused = false;

  constructor(
    connection: StreamConnection,
    calling: Calling,
    reply: ResponseSink,
    isUnary: boolean,
  ) {
    super(connection);
    this.#calling = calling;
    this.#reply = reply;
    this.#isUnary = isUnary;
  }

  /** Ends the call when `dueMs` has passed. */
  limit(dueMs: number): void {
    this.#deadline = new CallDeadline(this);
    this.#calling.deadlines.add(this.#deadline, dueMs);
  }

  onDeadline(): void {
    this.#deadline = null;
    this.#finish(status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded'), ErrorCode.CANCEL);
  }

  // ---- Requests ----

  send(bytes: Uint8Array): void {
    this.#send(bytes, false);
  }

  /** The only message of a unary call. */
  onlyMessage(bytes: Uint8Array): void {
    this.#hasHalfClosed = true;
    this.#send(bytes, true);
  }

  #send(bytes: Uint8Array, ended: boolean): void {
    if (this.#hasEnded) return;
    this.sendData(messagePrefix(bytes.length), bytes, ended, false);
    if (this.#hasPaused || !this.mustWait()) return;
    this.#hasPaused = true;
    this.#reply.pauseRequests();
  }

  halfClose(): void {
    if (this.#hasEnded || this.#hasHalfClosed) return;
    this.#hasHalfClosed = true;
    this.sendData(nothing, nothing, true, false);
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#settle();
    this.reset(ErrorCode.CANCEL);
  }

  pauseResponses(): void {
    this.pauseReading();
  }

  resumeResponses(): void {
    this.resumeReading();
  }

  // ---- From the connection ----

  override onHeaders(list: HeaderList, ended: boolean): void {
    this.#hasHeaders = true;
    const plain = plainHttpStatus(list);
    if (plain !== null) this.#finish(plain, ErrorCode.CANCEL);
    else if (ended) this.#finish(statusOf(list), ErrorCode.NO_ERROR);
  }

  override onData(bytes: Buffer, start: number, end: number, ended: boolean): void {
    if (this.#hasEnded) return;
    if (this.#reader === null && isOneMessage(bytes, start, end, answerBytesMax)) {
      // The frame is borrowed, and an answer is its receiver's.
      const answer = Buffer.allocUnsafe(end - start - prefixBytes);
      bytes.copy(answer, 0, start + prefixBytes, end);
      this.onMessage(answer);
    } else if (start < end) {
      this.#reader ??= new MessageReader(answerBytesMax, this.#calling.assembly, firstBytesMax);
      this.#reader.feed(bytes, start, end, this);
    }
    if (!ended) return;
    const text = 'server closed the stream without sending trailers';
    this.#finish(status(Code.INTERNAL, text, 'peer'), ErrorCode.NO_ERROR);
  }

  override onTrailers(list: HeaderList): void {
    const ended = statusOf(list);
    if (ended.code !== Code.OK) this.#finish(ended, ErrorCode.NO_ERROR);
    else if (this.#reader?.isAmidMessage === true)
      this.onBadMessage(Code.INTERNAL, 'unexpected EOF');
    else if (this.#isUnary && this.#messages === 0) {
      this.onBadMessage(Code.INTERNAL, cardinalityZero);
    } else this.#finish(ended, ErrorCode.NO_ERROR);
  }

  override onReset(code: number): void {
    this.#finish(resetStatus(code, this.#hasHeaders), ErrorCode.NO_ERROR);
  }

  override onLost(reason: string, isUnsent: boolean): void {
    const origin = isUnsent ? 'unsent' : 'lost';
    this.#finish(status(Code.UNAVAILABLE, reason, origin), ErrorCode.NO_ERROR);
  }

  override onDrained(): void {
    if (!this.#hasPaused || this.#hasEnded) return;
    this.#hasPaused = false;
    try {
      this.#reply.resumeRequests();
    } catch (fault) {
      this.#fail(fault);
    }
  }

  onMessage(bytes: Buffer): boolean {
    this.#messages += 1;
    if (this.#isUnary && this.#messages > 1) {
      this.onBadMessage(Code.INTERNAL, cardinalityMany);
      return false;
    }
    try {
      this.#reply.deliver(asOwned(bytes));
    } catch (fault) {
      this.#fail(fault);
    }
    return !this.#hasEnded;
  }

  onBadMessage(code: number, text: string): void {
    this.#finish(status(code, text, 'peer'), ErrorCode.CANCEL);
  }

  /** A layer threw: its call ends, and no other. */
  #fail(fault: unknown): void {
    this.#calling.onFault(fault);
    this.#finish(status(Code.INTERNAL, 'etcd-bulkhead: internal error'), ErrorCode.CANCEL);
  }

  #finish(ended: Status, resetCode: number): void {
    if (this.#hasEnded) return;
    this.#settle();
    // Where the other side has not heard of the end, it is told: there is no use for what it would still send or read.
    if (!this.hasRemoteEnded || !this.#hasHalfClosed) this.reset(resetCode);
    try {
      this.#reply.end(ended);
    } catch (fault) {
      this.#calling.onFault(fault);
    }
  }

  #settle(): void {
    this.#hasEnded = true;
    this.#reader?.drop();
    this.#reader = null;
    if (this.#deadline !== null) this.#calling.deadlines.remove(this.#deadline);
    this.#deadline = null;
  }
}
