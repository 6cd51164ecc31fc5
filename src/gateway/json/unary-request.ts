/**
 * A JSON request for a method that does not stream. The body is read as a whole; its first JSON value is the message, and what
 * follows is ignored, as in etcd. No value at all is an empty message.
 *
 *   reading the body ─end─▶ in the pipeline ─end()─▶ responded;   any ─client disconnects─▶ closed, call cancelled
 */
import { builtMessage, Call } from '../../call/call.ts';
import type { CallHandle, ResponseSink } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { BodySink } from '../exchange.ts';
import type { JsonContext } from './context.ts';
import { messageToJson } from './json-writer.ts';
import { malformedResponse } from './message-reader.ts';
import { headersOf, peerHeaders, refuse } from './responses.ts';
import { WholeBody } from './whole-body.ts';

export class UnaryRequest implements BodySink, ResponseSink {
  readonly #context: JsonContext;
  readonly #body: WholeBody;
  #handle: CallHandle | null = null;
  #message: Uint8Array | null = null;
  #hasEnded = false;

  constructor(context: JsonContext) {
    this.#context = context;
    this.#body = new WholeBody(context, (status) => this.#refuse(status));
    context.exchange.onClose = () => this.#onClose();
  }

  onBody(bytes: Buffer): void {
    if (!this.#hasEnded) this.#body.append(bytes);
  }

  onBodyEnd(): void {
    if (this.#hasEnded) return;
    const message = this.#body.message();
    if (message === null) return;
    const { parts, exchange, method, metadata, deadlineMs } = this.#context;
    const call = new Call({ method, metadata, deadlineMs, peer: exchange.peer });
    const handle = parts.etcd.unary(call, builtMessage(message), this);
    if (!this.#hasEnded) this.#handle = handle;
  }

  // ---- From the pipeline ----

  deliver(message: OwnedBytes): void {
    this.#message = message;
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.#message = Buffer.concat([head, tail]);
  }

  end(status: Status): void {
    if (this.#hasEnded) return;
    if (status.code !== Code.OK || this.#message === null) {
      this.#refuse(status);
      return;
    }
    const { types, dialect, exchange } = this.#context;
    const json = messageToJson(types.response, this.#message, dialect.unaryString);
    if (json === null) {
      this.#refuse(malformedResponse);
      return;
    }
    this.#finish();
    exchange.head(200, [...headersOf(this.#context, null), ...peerHeaders]);
    exchange.end(json);
  }

  pauseRequests(): void {}

  resumeRequests(): void {}

  #refuse(status: Status): void {
    if (this.#hasEnded) return;
    this.#finish();
    refuse(this.#context, status);
  }

  #onClose(): void {
    if (this.#hasEnded) return;
    const handle = this.#handle;
    this.#finish();
    handle?.cancel();
  }

  #finish(): void {
    this.#hasEnded = true;
    this.#handle = null;
    this.#message = null;
    this.#body.close();
  }
}
