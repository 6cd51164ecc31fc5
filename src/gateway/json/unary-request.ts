/**
 * A JSON request for a method that does not stream. The body is read as a whole; its first JSON value is the message, and what
 * follows is ignored, as in etcd. No value at all is an empty message.
 *
 *   reading the body ─end─▶ in the pipeline ─end()─▶ responded;   any ─client disconnects─▶ closed, call cancelled
 */
import { builtMessage } from '../../call/call.ts';
import { refusal } from '../../call/refusals.ts';
import type { CallHandle, ResponseSink } from '../../grpc/call.ts';
import { Code, type Status } from '../../grpc/status.ts';
import type { OwnedBytes } from '../../runtime/owned-bytes.ts';
import type { BodySink } from '../exchange.ts';
import { CallDeadline } from './call-deadline.ts';
import { callOf, type JsonContext } from './context.ts';
import { headersOf, jsonOf, peerHeaders, refuse } from './responses.ts';
import { WholeBody } from './whole-body.ts';

export class UnaryRequest implements BodySink, ResponseSink {
  readonly #context: JsonContext;
  readonly #body: WholeBody;
  #handle: CallHandle | null = null;
  #message: Uint8Array | null = null;
  readonly #deadline: CallDeadline;
  #hasEnded = false;

  constructor(context: JsonContext) {
    this.#context = context;
    this.#body = new WholeBody(context, (status) => this.#refuse(status));
    const { parts, deadlineMs } = context;
    this.#deadline = new CallDeadline(parts.clock, deadlineMs, (status) => this.#abort(status));
    context.exchange.onClose = () => this.#onClose();
  }

  onBody(bytes: Buffer): void {
    if (!this.#hasEnded) this.#body.append(bytes);
  }

  onBodyEnd(): void {
    if (this.#hasEnded) return;
    const message = this.#body.message();
    if (message === null) return;
    const { etcd } = this.#context.parts;
    const handle = etcd.unary(callOf(this.#context), builtMessage(message), this);
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
    try {
      this.#respond(this.#deadline.statusOf(status));
    } catch (fault) {
      // The call has ended, so the layers below could not report it to the client.
      this.#context.parts.onFault(fault);
      this.#finish();
      this.#context.exchange.abort();
    }
  }

  pauseRequests(): void {}

  resumeRequests(): void {}

  #respond(status: Status): void {
    if (status.code !== Code.OK) {
      this.#refuse(status);
      return;
    }
    const { dialect, exchange } = this.#context;
    const message = this.#message;
    const json =
      message === null
        ? refusal('response-malformed')
        : jsonOf(this.#context, message, dialect.unaryString);
    if (typeof json !== 'string') {
      this.#refuse(json);
      return;
    }
    this.#finish();
    exchange.head(200, [...headersOf(this.#context, null), ...peerHeaders]);
    exchange.end(json);
  }

  #refuse(status: Status): void {
    if (this.#hasEnded) return;
    this.#finish();
    refuse(this.#context, status);
  }

  #abort(status: Status): void {
    const handle = this.#handle;
    this.#refuse(status);
    handle?.cancel();
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
    this.#deadline.cancel();
  }
}
