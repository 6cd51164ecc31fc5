/**
 * One call of the dialling half of the grpc-js transport, below its stream classes: messages are asked for one by one,
 * so a caller that pauses stops the peer through HTTP/2's flow control. Guarantee: nothing that the reply throws gets
 * into the library; after `end` or `cancel` the reply is not called again.
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

export interface ClientCallHooks {
  onClose(call: ClientCall): void;
  /** A bug of ours was caught. */
  onFault(fault: unknown): void;
}

/** Above this the sender is asked to pause; below half of it to go on. */
const queueBytesMax = 262_144;

const noBytes = new Uint8Array(0);

type Entry = 'message' | 'pause' | 'resume' | 'end';

export class ClientCall implements RequestSink, InterceptingListener {
  readonly #call: GrpcCall;
  readonly #reply: ResponseSink;
  readonly #isUnary: boolean;
  readonly #hooks: ClientCallHooks;
  readonly #sent = { callback: () => this.#onSent() };
  readonly #queue: Buffer[] = [];
  #queueBytes = 0;
  #sendingBytes = 0;
  #isSending = false;
  #isEnding = false;
  #isFull = false;
  #isPaused = false;
  /** A message was asked for and has not come. */
  #isReading = false;
  #hasHeaders = false;
  #hasMessage = false;
  #isOver = false;

  constructor(call: GrpcCall, reply: ResponseSink, isUnary: boolean, hooks: ClientCallHooks) {
    this.#call = call;
    this.#reply = reply;
    this.#isUnary = isUnary;
    this.#hooks = hooks;
  }

  start(metadata: GrpcMetadata): void {
    this.#call.start(metadata, this);
    this.#read();
  }

  send(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#queue.push(asBuffer(bytes));
    this.#queueBytes += bytes.length;
    this.#flush();
    if (this.#isFull || this.#queueBytes + this.#sendingBytes <= queueBytesMax) return;
    this.#isFull = true;
    this.#enter('pause');
  }

  halfClose(): void {
    this.#isEnding = true;
    if (!this.#isOver && this.#queue.length === 0) this.#call.halfClose();
  }

  cancel(): void {
    if (!this.#close()) return;
    this.#cancelCall();
  }

  pauseResponses(): void {
    this.#isPaused = true;
  }

  resumeResponses(): void {
    this.#isPaused = false;
    this.#read();
  }

  /** The channel was closed under it. */
  abandon(): void {
    if (!this.#close()) return;
    this.#cancelCall();
    this.#enter('end', noBytes, status(Code.UNAVAILABLE, closedChannelText, 'lost'));
  }

  onReceiveMetadata(): void {
    this.#hasHeaders = true;
  }

  onReceiveMessage(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#isReading = false;
    if (this.#isUnary && this.#hasMessage) {
      this.#refuse(secondResponse);
      return;
    }
    this.#hasMessage = true;
    this.#enter('message', bytes);
    this.#read();
  }

  onReceiveStatus(received: StatusObject): void {
    if (!this.#close()) return;
    const ended = fromGrpcStatus(received, this.#hasHeaders);
    const isIncomplete = this.#isUnary && !this.#hasMessage && ended.code === Code.OK;
    this.#enter('end', noBytes, isIncomplete ? missingResponse : ended);
  }

  #read(): void {
    if (this.#isOver || this.#isPaused || this.#isReading) return;
    this.#isReading = true;
    this.#call.startRead();
  }

  /** grpc-js takes one message at a time and says when the socket has taken it. */
  #flush(): void {
    if (this.#isSending) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#isSending = true;
    this.#queueBytes -= next.length;
    this.#sendingBytes = next.length;
    this.#call.sendMessageWithContext(this.#sent, next);
    if (this.#isEnding && this.#queue.length === 0) this.#call.halfClose();
  }

  #onSent(): void {
    this.#isSending = false;
    this.#sendingBytes = 0;
    if (this.#isOver) return;
    this.#flush();
    if (!this.#isFull || this.#queueBytes + this.#sendingBytes > queueBytesMax / 2) return;
    this.#isFull = false;
    this.#enter('resume');
  }

  /** False if the call was over before. */
  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#queue.length = 0;
    this.#hooks.onClose(this);
    return true;
  }

  #refuse(why: Status): void {
    if (!this.#close()) return;
    this.#cancelCall();
    this.#enter('end', noBytes, why);
  }

  #cancelCall(): void {
    this.#call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
    // A call that is cancelled in the turn it was started in is opened by grpc-js all the same, a few promises later,
    // and would then stay open for ever: it has to be told again.
    if (!this.#hasHeaders) {
      setImmediate(() => this.#call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client'));
    }
  }

  #enter(entry: Entry, bytes: Uint8Array = noBytes, ended: Status = internalError): void {
    try {
      switch (entry) {
        case 'message':
          this.#reply.deliver(asOwned(bytes));
          break;
        case 'pause':
          this.#reply.pauseRequests();
          break;
        case 'resume':
          this.#reply.resumeRequests();
          break;
        case 'end':
          this.#reply.end(ended);
          break;
        default:
          entry satisfies never;
      }
    } catch (thrown) {
      this.#hooks.onFault(thrown);
      this.#refuse(internalError);
    }
  }
}
