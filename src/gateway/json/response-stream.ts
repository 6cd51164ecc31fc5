/**
 * The response of a method that streams: one JSON object per line, `{"result":…}` for a message and `{"error":…}` for a failure.
 * A client that does not read pauses the call.
 */
import type { CallHandle, ResponseSink } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import { CallDeadline } from './call-deadline.ts';
import type { JsonContext } from './context.ts';
import { headersOf, jsonOf, peerHeaders, refuse } from './responses.ts';

export class ResponseStream implements ResponseSink {
  hasEnded = false;
  /** Called when the response is complete or the client has disconnected. */
  readonly #onEnd: () => void;
  readonly #context: JsonContext;
  readonly #deadline: CallDeadline;
  #handle: CallHandle | null = null;
  #hasHead = false;
  #isPaused = false;

  constructor(context: JsonContext, onEnd: () => void) {
    this.#context = context;
    this.#onEnd = onEnd;
    const { exchange, parts, deadlineMs } = context;
    this.#deadline = new CallDeadline(parts.clock, deadlineMs, (status) => this.abort(status));
    exchange.onClose = () => this.#onClose();
    exchange.onDrain = () => this.#onDrain();
  }

  /** The call that responds here. */
  attach(handle: CallHandle): void {
    if (this.hasEnded) {
      // Its first response may have ended the request. Without effect if the call has ended.
      handle.cancel();
      return;
    }
    this.#handle = handle;
    if (this.#isPaused) handle.pauseResponses();
  }

  deliver(message: OwnedBytes): void {
    this.#write(message);
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.#write(Buffer.concat([head, tail]));
  }

  /** Ends the request with an error before its call starts. */
  refuse(status: Status): void {
    if (this.hasEnded) return;
    this.#finish();
    refuse(this.#context, status);
  }

  /** Ends the response, and the call. */
  abort(status: Status): void {
    const handle = this.#handle;
    this.end(status);
    handle?.cancel();
  }

  end(ended: Status): void {
    if (this.hasEnded) return;
    try {
      this.#end(this.#deadline.statusOf(ended));
    } catch (fault) {
      this.#fail(fault);
    }
  }

  pauseRequests(): void {
    this.#context.exchange.pauseBody();
  }

  resumeRequests(): void {
    this.#context.exchange.resumeBody();
  }

  #end(status: Status): void {
    const { exchange, dialect, headers } = this.#context;
    const hasHead = this.#hasHead;
    this.#finish();
    if (status.code === Code.OK) {
      const isTyped = dialect.typesEmptyStreams;
      if (!hasHead) exchange.head(200, isTyped ? headersOf(this.#context, null) : headers);
      exchange.end('');
      return;
    }
    if (!hasHead) exchange.head(dialect.httpStatus(status.code), headersOf(this.#context, status));
    exchange.end(`{"error":${dialect.streamError(status)}}${dialect.delimitsErrors ? '\n' : ''}`);
  }

  #write(message: Uint8Array): void {
    if (this.hasEnded) return;
    try {
      const json = jsonOf(this.#context, message, this.#context.dialect.streamString);
      if (typeof json === 'string') this.#writeResult(json);
      else this.abort(json);
    } catch (fault) {
      this.#fail(fault);
    }
  }

  #writeResult(json: string): void {
    const { exchange } = this.#context;
    if (!this.#hasHead) {
      this.#hasHead = true;
      exchange.head(200, [...headersOf(this.#context, null), ...peerHeaders]);
    }
    if (exchange.write(`{"result":${json}}\n`) || this.#isPaused) return;
    this.#isPaused = true;
    this.#handle?.pauseResponses();
  }

  /** Ends the exchange without more of a response. The layers below could not report the fault to the client. */
  #fail(fault: unknown): void {
    const { parts, exchange } = this.#context;
    parts.onFault(fault);
    const handle = this.#handle;
    this.#finish();
    exchange.abort();
    handle?.cancel();
  }

  #onDrain(): void {
    if (!this.#isPaused || this.hasEnded) return;
    this.#isPaused = false;
    this.#handle?.resumeResponses();
  }

  #onClose(): void {
    if (this.hasEnded) return;
    const handle = this.#handle;
    this.#finish();
    handle?.cancel();
  }

  #finish(): void {
    this.hasEnded = true;
    this.#handle = null;
    this.#deadline.cancel();
    this.#onEnd();
  }
}
