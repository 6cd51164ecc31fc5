/**
 * One call that grpc-js accepted, between its stream object and the handler. The only place where events of a client
 * enter the pipeline through this transport; whatever is thrown below ends this call alone, with Internal.
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

/** What a listener wants to know of its calls. */
export interface ServedCallHooks {
  onOpen(): void;
  onClose(): void;
  /** A bug of ours was caught. */
  onFault(fault: unknown): void;
}

const noBytes = new Uint8Array(0);

type Entry = 'start' | 'message' | 'end' | 'cancel' | 'pause' | 'resume';

export class ServedCall<M extends ServedMethod> implements ResponseSink {
  readonly #stream: ServerStream;
  readonly #handler: CallHandler<M>;
  readonly #incoming: Incoming<M>;
  readonly #hooks: ServedCallHooks;
  #ongoing: CallHandle = endedCall;
  /** The same object as `#ongoing` where the client may send more than one message. */
  #requests: RequestSink = endedCall;
  /** The status is on its way, or nobody waits for one any more. */
  #isOver = false;
  /** grpc-js holds as many answers as it wants to: the handler was asked to pause. */
  #isFull = false;

  constructor(
    stream: ServerStream,
    handler: CallHandler<M>,
    incoming: Incoming<M>,
    hooks: ServedCallHooks,
  ) {
    this.#stream = stream;
    this.#handler = handler;
    this.#incoming = incoming;
    this.#hooks = hooks;
    hooks.onOpen();
    // grpc-js says `cancelled` also after a status of ours: by then the call is over and nobody is told.
    stream.on('cancelled', () => this.#close() && this.#enter('cancel'));
    stream.on('drain', () => this.#onDrain());
  }

  /** For methods whose request is one message, which has arrived. */
  serveRequest(request: Buffer): void {
    this.#enter('start', request);
    if (this.#incoming.method.responseStream && !this.#isOver) {
      this.#enter('message', request);
      if (!this.#isOver) this.#enter('end');
    }
  }

  serveRequests(stream: ServerDuplexStream<Buffer, Buffer>): void {
    this.#enter('start');
    stream.on('data', (bytes: Buffer) => {
      if (!this.#isOver) this.#enter('message', bytes);
    });
    stream.on('end', () => {
      if (!this.#isOver) this.#enter('end');
    });
  }

  deliver(message: OwnedBytes): void {
    this.#write(message);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.#write(head.length === 0 ? tail : Buffer.concat([head, tail]));
  }

  #write(bytes: Uint8Array): void {
    if (this.#isOver) return;
    const hasRoom = this.#stream.write(asBuffer(bytes));
    if (hasRoom || this.#isFull) return;
    this.#isFull = true;
    this.#enter('pause');
  }

  end(ended: Status): void {
    if (this.#close()) this.#sendStatus(ended);
  }

  #sendStatus(ended: Status): void {
    // Emitting a status sends it after the messages written so far; for OK too, or grpc-js would add a text of its own.
    this.#stream.emit('error', {
      code: ended.code,
      // A lone surrogate would throw in the library's percent-encoding, outside of any call of ours.
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
    if (!this.#isFull) return;
    this.#isFull = false;
    if (!this.#isOver) this.#enter('resume');
  }

  /** False if the call was over before. */
  #close(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#hooks.onClose();
    return true;
  }

  #enter(entry: Entry, bytes: Uint8Array = noBytes): void {
    try {
      switch (entry) {
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
          this.#ongoing.cancel();
          break;
        case 'pause':
          this.#ongoing.pauseResponses();
          break;
        case 'resume':
          this.#ongoing.resumeResponses();
          break;
        default:
          entry satisfies never;
      }
    } catch (thrown) {
      this.#hooks.onFault(thrown);
      if (!this.#close()) return;
      this.#sendStatus(internalError);
      this.#enter('cancel');
    }
  }

  #start(request: Uint8Array): void {
    const { method } = this.#incoming;
    if (method.requestStream || method.responseStream) {
      this.#requests = this.#handler.stream(this.#incoming, this);
      this.#ongoing = this.#requests;
    } else {
      this.#ongoing = this.#handler.unary(this.#incoming, request, this);
    }
    // Answers may have come before there was anybody to pause.
    if (this.#isFull && !this.#isOver) this.#ongoing.pauseResponses();
  }
}

function trailersOf(ended: Status) {
  try {
    return toGrpcMetadata(ended.trailers);
  } catch {
    // Trailers that no header can carry must not keep the status itself from the client.
    return toGrpcMetadata([]);
  }
}
