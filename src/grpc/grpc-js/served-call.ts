/**
 * An incoming call on grpc-js, between the library's stream object and the handler. All client events of this transport enter
 * the pipeline here. An exception in a layer ends its call with Internal and affects no other call. After the end of the call
 * the handler's handle is not called.
 */
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import { type CallHandle, endedCall, type RequestSink, type ResponseSink } from '../call.ts';
import type { Status } from '../status.ts';
import type { CallHandler, Incoming, ServedMethod } from '../transport.ts';
import { internalError } from '../transport-statuses.ts';
import { asBuffer, toGrpcMetadata } from './metadata.ts';

export type ServerStream =
  | ServerWritableStream<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>;

/** What all calls of a connection share. */
export interface ServedCallContext {
  onOpen(): void;
  onClose(): void;
  onFault(fault: unknown): void;
}

const noBytes = new Uint8Array(0);

type CallEvent = 'start' | 'message' | 'end' | 'cancel' | 'pause' | 'resume';

export class ServedCall<M extends ServedMethod> implements ResponseSink {
  readonly #stream: ServerStream;
  readonly #handler: CallHandler<M>;
  readonly #incoming: Incoming<M>;
  readonly #context: ServedCallContext;
  #handle: CallHandle = endedCall;
  /** For a stream, the same object as `#handle`. */
  #requests: RequestSink = endedCall;
  /** The status was sent, or the client cancelled the call. */
  #hasEnded = false;
  /** The buffer of grpc-js is full, and responses are paused. */
  #hasPaused = false;

  constructor(
    stream: ServerStream,
    handler: CallHandler<M>,
    incoming: Incoming<M>,
    context: ServedCallContext,
  ) {
    this.#stream = stream;
    this.#handler = handler;
    this.#incoming = incoming;
    this.#context = context;
    context.onOpen();
    // grpc-js emits `cancelled` also after a status was sent. The call has ended by then.
    stream.on('cancelled', () => this.#detach() && this.#notify('cancel'));
    stream.on('drain', () => this.#onDrain());
  }

  /** For methods without a request stream. The request has arrived. */
  serveRequest(request: Buffer): void {
    this.#notify('start', request);
    if (this.#incoming.method.responseStream && !this.#hasEnded) {
      this.#notify('message', request);
      if (!this.#hasEnded) this.#notify('end');
    }
  }

  /** For methods with a request stream. */
  serveRequests(stream: ServerDuplexStream<Buffer, Buffer>): void {
    this.#notify('start');
    stream.on('data', (bytes: Buffer) => {
      if (!this.#hasEnded) this.#notify('message', bytes);
    });
    stream.on('end', () => {
      if (!this.#hasEnded) this.#notify('end');
    });
  }

  deliver(message: OwnedBytes): void {
    this.#write(message);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.#write(head.length === 0 ? tail : Buffer.concat([head, tail]));
  }

  #write(bytes: Uint8Array): void {
    if (this.#hasEnded) return;
    const hasRoom = this.#stream.write(asBuffer(bytes));
    if (hasRoom || this.#hasPaused) return;
    this.#hasPaused = true;
    this.#notify('pause');
  }

  end(ended: Status): void {
    if (this.#detach()) this.#sendStatus(ended);
  }

  #sendStatus(ended: Status): void {
    // An emitted error is sent as the status, after the messages written so far. This applies to OK as well, because grpc-js
    // would otherwise add a text.
    this.#stream.emit('error', {
      code: ended.code,
      // A lone surrogate would throw in the library's percent-encoding, where it cannot be caught.
      details: ended.text.toWellFormed(),
      metadata: trailersOf(ended),
    });
  }

  pauseRequests(): void {
    if ('pause' in this.#stream) this.#stream.pause();
  }

  resumeRequests(): void {
    if ('resume' in this.#stream) this.#stream.resume();
  }

  #onDrain(): void {
    if (!this.#hasPaused) return;
    this.#hasPaused = false;
    if (!this.#hasEnded) this.#notify('resume');
  }

  /** Returns false if the call has already ended. */
  #detach(): boolean {
    if (this.#hasEnded) return false;
    this.#hasEnded = true;
    this.#context.onClose();
    return true;
  }

  #notify(event: CallEvent, bytes: Uint8Array = noBytes): void {
    try {
      switch (event) {
        case 'start':
          this.#start(bytes);
          break;
        case 'message':
          this.#requests.send(bytes);
          break;
        case 'end':
          this.#requests.halfClose();
          break;
        case 'cancel':
          this.#handle.cancel();
          break;
        case 'pause':
          this.#handle.pauseResponses();
          break;
        case 'resume':
          this.#handle.resumeResponses();
          break;
        default:
          event satisfies never;
      }
    } catch (thrown) {
      this.#context.onFault(thrown);
      if (!this.#detach()) return;
      this.#sendStatus(internalError);
      this.#notify('cancel');
    }
  }

  #start(request: Uint8Array): void {
    const { method } = this.#incoming;
    if (method.requestStream || method.responseStream) {
      this.#requests = this.#handler.stream(this.#incoming, this);
      this.#handle = this.#requests;
    } else {
      this.#handle = this.#handler.unary(this.#incoming, request, this);
    }
    // Responses may have filled the buffer before there was a handle.
    if (this.#hasPaused && !this.#hasEnded) this.#handle.pauseResponses();
  }
}

function trailersOf(ended: Status) {
  try {
    return toGrpcMetadata(ended.trailers);
  } catch {
    // Trailers that are not valid in a header must not prevent the status from being sent.
    return toGrpcMetadata([]);
  }
}
