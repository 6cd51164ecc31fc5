/**
 * An outgoing call: the HTTP/2 stream and the caller's request sink in one object. The call ends once, with the first of
 * trailers, a reset, the deadline, a fault or the caller's cancel. After the end the response sink is not called.
 */
import { ErrorCode } from '../../http2/frame.ts';
import type { HeaderList } from '../../http2/hpack/header-list.ts';
import { limits } from '../../http2/limits.ts';
import { Stream, type StreamConnection } from '../../http2/stream.ts';
import { Deadline, type Deadlines } from '../../runtime/deadlines.ts';
import { asOwned } from '../../runtime/owned-bytes.ts';
import type { RequestSink, ResponseSink } from '../call.ts';
import {
  isOneMessage,
  MessageReader,
  type MessageSink,
  messagePrefix,
  prefixBytes,
} from '../message-framing.ts';
import type { MessageMemory } from '../message-memory.ts';
import { Code, type Status, status } from '../status.ts';
import type { RequestHead } from '../transport.ts';
import { internalError, missingResponse, secondResponse } from '../transport-statuses.ts';
import { plainHttpStatus, resetStatus, statusOf } from './status.ts';

/** First buffer of a response that spans frames. A growing one would be copied, and etcd sends what it announces. */
const firstBytesMax = 67_108_864;
const { frameBytesMax } = limits;
const noBytes = Buffer.alloc(0);

/** What all calls of a channel share. */
export interface ClientCallContext {
  readonly deadlines: Deadlines;
  readonly memory: MessageMemory;
  readonly onFault: (fault: unknown) => void;
}

/** The deadline of a call. It is a separate object, because the call already extends `Stream`. */
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
  readonly #context: ClientCallContext;
  readonly #responses: ResponseSink;
  readonly #isUnary: boolean;
  readonly #head: RequestHead;
  readonly keepsMessages = false;
  readonly isMessageUnused = false;
  /** A request names no encoding for its response, so etcd must not compress it. */
  readonly acceptsCompressed = false;
  /** False while the caller of a unary call applies backpressure. */
  wantsMessages = true;
  #deadline: CallDeadline | null = null;
  #reader: MessageReader | null = null;
  #messages = 0;
  #hasHeaders = false;
  #hasEnded = false;
  /** The caller has ended its direction. Messages may still be queued before the end of the stream. */
  #hasHalfClosed = false;
  #hasPaused = false;

  constructor(
    connection: StreamConnection,
    context: ClientCallContext,
    head: RequestHead,
    responses: ResponseSink,
    isUnary: boolean,
  ) {
    super(connection);
    this.#head = head;
    this.#context = context;
    this.#responses = responses;
    this.#isUnary = isUnary;
  }

  /** `deadlineMs` is on the clock's monotonic scale. */
  setDeadline(deadlineMs: number): void {
    this.#deadline = new CallDeadline(this);
    this.#context.deadlines.add(this.#deadline, deadlineMs);
  }

  onDeadline(): void {
    this.#deadline = null;
    // etcd has responded in time if the response waits here.
    if (this.#reader?.isWithheld === true) this.onMemoryRefused();
    else {
      this.#finish(status(Code.DEADLINE_EXCEEDED, 'context deadline exceeded'), ErrorCode.CANCEL);
    }
  }

  // ---- Requests ----

  send(bytes: Uint8Array): void {
    this.#send(bytes, false);
  }

  /** Sends the only message of a unary call. */
  sendOnly(bytes: Uint8Array): void {
    this.#hasHalfClosed = true;
    this.#send(bytes, true);
  }

  #send(bytes: Uint8Array, ended: boolean): void {
    if (this.#hasEnded) return;
    this.sendData(messagePrefix(bytes.length), bytes, ended, false);
    if (!this.#hasPaused && this.mustWait()) this.#pauseCaller();
  }

  /** The caller of `send` may feed many calls, so a fault of this one must not reach it. */
  #pauseCaller(): void {
    this.#hasPaused = true;
    try {
      this.#responses.pauseRequests();
    } catch (fault) {
      this.#fail(fault);
    }
  }

  halfClose(): void {
    if (this.#hasEnded || this.#hasHalfClosed) return;
    this.#hasHalfClosed = true;
    this.sendData(noBytes, noBytes, true, false);
  }

  cancel(): void {
    if (this.#hasEnded) return;
    this.#detach();
    this.reset(ErrorCode.CANCEL);
  }

  /** A unary response that fits the window of the stream arrives all the same. */
  pauseResponses(): void {
    if (this.#isUnary) this.wantsMessages = false;
    else this.pauseReading();
  }

  resumeResponses(): void {
    if (!this.#isUnary) this.resumeReading();
    else if (!this.wantsMessages) {
      this.wantsMessages = true;
      this.#reader?.reconsider();
    }
  }

  // ---- From the connection ----

  override onHeaders(list: HeaderList, ended: boolean): void {
    this.#hasHeaders = true;
    const plain = plainHttpStatus(list);
    if (plain !== null) this.#finish(plain, ErrorCode.CANCEL);
    else if (ended) this.#finish(statusOf(list), ErrorCode.NO_ERROR);
    else if (!this.#isUnary) this.widenWindow(limits.clientStreamWindowBytesMax);
  }

  override onData(bytes: Buffer, start: number, end: number, ended: boolean): void {
    if (this.#hasEnded) return;
    if (this.#reader?.isAmidMessage !== true && isOneMessage(bytes, start, end, frameBytesMax)) {
      // The frame is borrowed until this returns, and the receiver owns the response.
      const response = Buffer.allocUnsafe(end - start - prefixBytes);
      bytes.copy(response, 0, start + prefixBytes, end);
      this.onMessage(response);
    } else if (start < end) {
      this.#reader ??= this.#newReader();
      this.#reader.feed(bytes, start, end);
    }
    if (!ended) return;
    const text = 'server closed the stream without sending trailers';
    this.#finish(status(Code.INTERNAL, text, 'peer'), ErrorCode.NO_ERROR);
  }

  #newReader(): MessageReader {
    const { memory } = this.#context;
    const account = this.#head.responseAccount?.() ?? memory.responses;
    return new MessageReader(memory.responseBytesMax, account, this, firstBytesMax);
  }

  override onTrailers(list: HeaderList): void {
    const ended = statusOf(list);
    if (ended.code !== Code.OK) this.#finish(ended, ErrorCode.NO_ERROR);
    else if (this.#reader?.isAmidMessage === true) {
      this.onBadMessage(Code.INTERNAL, 'unexpected EOF');
    } else if (this.#isUnary && this.#messages === 0) {
      this.#finish(missingResponse, ErrorCode.CANCEL);
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
      this.#responses.resumeRequests();
    } catch (fault) {
      this.#fail(fault);
    }
  }

  onMessage(bytes: Buffer): boolean {
    this.#messages += 1;
    if (this.#isUnary && this.#messages > 1) {
      this.#finish(secondResponse, ErrorCode.CANCEL);
      return false;
    }
    try {
      this.#responses.deliver(asOwned(bytes));
    } catch (fault) {
      this.#fail(fault);
    }
    return !this.#hasEnded;
  }

  onCompressed(): boolean {
    return false;
  }

  onBadMessage(code: number, text: string): void {
    this.#finish(status(code, text, 'peer'), ErrorCode.CANCEL);
  }

  onMemoryRefused(): void {
    this.#finish(this.#context.memory.refusal, ErrorCode.CANCEL);
  }

  /** A layer threw. Its call ends with Internal; no other call is affected. */
  #fail(fault: unknown): void {
    this.#context.onFault(fault);
    this.#finish(internalError, ErrorCode.CANCEL);
  }

  #finish(ended: Status, resetCode: number): void {
    if (this.#hasEnded) return;
    this.#detach();
    // If the peer may still send or expect data, a reset informs it that the call has ended.
    if (!this.hasRemoteEnded || !this.hasLocalEnded) this.reset(resetCode);
    try {
      this.#responses.end(ended);
    } catch (fault) {
      this.#context.onFault(fault);
    }
  }

  #detach(): void {
    this.#hasEnded = true;
    this.#reader?.drop();
    this.#reader = null;
    if (this.#deadline !== null) this.#context.deadlines.remove(this.#deadline);
    this.#deadline = null;
  }
}
