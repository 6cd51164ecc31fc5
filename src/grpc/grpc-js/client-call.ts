/**
 * An outgoing call on grpc-js, below the library's stream classes. It requests messages one by one, so that a caller that
 * pauses responses stops the peer through HTTP/2 flow control. The call ends once. After `end` or `cancel` the response sink
 * is not called, and an exception of the response sink does not reach the library.
 */
import type {
  ChannelInterface,
  Metadata as GrpcMetadata,
  InterceptingListener,
  StatusObject,
} from '@grpc/grpc-js';
import { asOwned } from '../../runtime/owned-bytes.ts';
import type { RequestSink, ResponseSink } from '../call.ts';
import { Code, type Status, status } from '../status.ts';
import {
  closedChannelText,
  internalError,
  missingResponse,
  secondResponse,
} from '../transport-statuses.ts';
import { asBuffer } from './metadata.ts';
import { fromGrpcStatus } from './status.ts';

export type GrpcCall = ReturnType<ChannelInterface['createCall']>;

/** What all calls of a channel share. */
export interface ClientCallContext {
  /** The call has ended. */
  onClose(call: ClientCall): void;
  onFault(fault: unknown): void;
}

/** Above this, requests are paused; at half of it, they resume. */
const queueBytesMax = 262_144;

const noBytes = new Uint8Array(0);

type CallEvent = 'message' | 'pause' | 'resume' | 'end';

export class ClientCall implements RequestSink, InterceptingListener {
  readonly #call: GrpcCall;
  readonly #responses: ResponseSink;
  readonly #isUnary: boolean;
  readonly #context: ClientCallContext;
  readonly #sent = { callback: () => this.#onSent() };
  readonly #queue: Buffer[] = [];
  #queueBytes = 0;
  #sendingBytes = 0;
  #isSending = false;
  #hasHalfClosed = false;
  #hasPausedRequests = false;
  #isReadingPaused = false;
  /** A message was requested and has not arrived. */
  #isReading = false;
  #hasHeaders = false;
  #hasMessage = false;
  #hasEnded = false;

  constructor(
    call: GrpcCall,
    responses: ResponseSink,
    isUnary: boolean,
    context: ClientCallContext,
  ) {
    this.#call = call;
    this.#responses = responses;
    this.#isUnary = isUnary;
    this.#context = context;
  }

  start(metadata: GrpcMetadata): void {
    this.#call.start(metadata, this);
    this.#read();
  }

  send(bytes: Uint8Array): void {
    if (this.#hasEnded) return;
    this.#queue.push(asBuffer(bytes));
    this.#queueBytes += bytes.length;
    this.#flush();
    if (this.#hasPausedRequests || this.#queueBytes + this.#sendingBytes <= queueBytesMax) return;
    this.#hasPausedRequests = true;
    this.#notify('pause');
  }

  halfClose(): void {
    this.#hasHalfClosed = true;
    if (!this.#hasEnded && this.#queue.length === 0) this.#call.halfClose();
  }

  cancel(): void {
    if (!this.#detach()) return;
    this.#cancelCall();
  }

  pauseResponses(): void {
    this.#isReadingPaused = true;
  }

  resumeResponses(): void {
    this.#isReadingPaused = false;
    this.#read();
  }

  /** Ends the call because the channel was closed. */
  endLost(): void {
    if (!this.#detach()) return;
    this.#cancelCall();
    this.#notify('end', noBytes, status(Code.UNAVAILABLE, closedChannelText, 'lost'));
  }

  onReceiveMetadata(): void {
    this.#hasHeaders = true;
  }

  onReceiveMessage(bytes: Buffer): void {
    if (this.#hasEnded) return;
    this.#isReading = false;
    if (this.#isUnary && this.#hasMessage) {
      this.#fail(secondResponse);
      return;
    }
    this.#hasMessage = true;
    this.#notify('message', bytes);
    this.#read();
  }

  onReceiveStatus(received: StatusObject): void {
    if (!this.#detach()) return;
    const ended = fromGrpcStatus(received, this.#hasHeaders);
    const isIncomplete = this.#isUnary && !this.#hasMessage && ended.code === Code.OK;
    this.#notify('end', noBytes, isIncomplete ? missingResponse : ended);
  }

  #read(): void {
    if (this.#hasEnded || this.#isReadingPaused || this.#isReading) return;
    this.#isReading = true;
    this.#call.startRead();
  }

  /** grpc-js accepts one message at a time and reports when it was written to the socket. */
  #flush(): void {
    if (this.#isSending) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#isSending = true;
    this.#queueBytes -= next.length;
    this.#sendingBytes = next.length;
    this.#call.sendMessageWithContext(this.#sent, next);
    if (this.#hasHalfClosed && this.#queue.length === 0) this.#call.halfClose();
  }

  #onSent(): void {
    this.#isSending = false;
    this.#sendingBytes = 0;
    if (this.#hasEnded) return;
    this.#flush();
    if (!this.#hasPausedRequests || this.#queueBytes + this.#sendingBytes > queueBytesMax / 2)
      return;
    this.#hasPausedRequests = false;
    this.#notify('resume');
  }

  /** Returns false if the call has already ended. */
  #detach(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    this.#queue.length = 0;
    this.#context.onClose(this);
    return true;
  }

  #fail(ended: Status): void {
    if (!this.#detach()) return;
    this.#cancelCall();
    this.#notify('end', noBytes, ended);
  }

  #cancelCall(): void {
    this.#call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
    // grpc-js opens a call that is cancelled in the turn of its start nevertheless, after a few promises. Without a second
    // cancel it would stay open indefinitely.
    if (!this.#hasHeaders) {
      setImmediate(() => this.#call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client'));
    }
  }

  #notify(event: CallEvent, bytes: Uint8Array = noBytes, ended: Status = internalError): void {
    try {
      switch (event) {
        case 'message':
          this.#responses.deliver(asOwned(bytes));
          break;
        case 'pause':
          this.#responses.pauseRequests();
          break;
        case 'resume':
          this.#responses.resumeRequests();
          break;
        case 'end':
          this.#responses.end(ended);
          break;
        default:
          event satisfies never;
      }
    } catch (thrown) {
      this.#context.onFault(thrown);
      this.#fail(internalError);
    }
  }
}
