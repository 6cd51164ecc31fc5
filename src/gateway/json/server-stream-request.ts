/** A JSON request with one message for a method that streams its responses, for example Observe. */
import { builtMessage, Call } from '../../call/call.ts';
import type { BodySink } from '../exchange.ts';
import type { JsonContext } from './context.ts';
import { ResponseStream } from './response-stream.ts';
import { WholeBody } from './whole-body.ts';

export class ServerStreamRequest implements BodySink {
  readonly #context: JsonContext;
  readonly #body: WholeBody;
  readonly #responses: ResponseStream;

  constructor(context: JsonContext) {
    this.#context = context;
    this.#body = new WholeBody(context, (status) => this.#responses.refuse(status));
    this.#responses = new ResponseStream(context, () => this.#body.close());
  }

  onBody(bytes: Buffer): void {
    if (!this.#responses.hasEnded) this.#body.append(bytes);
  }

  onBodyEnd(): void {
    if (this.#responses.hasEnded) return;
    const message = this.#body.message();
    if (message === null) return;
    const { parts, exchange, method, metadata, deadlineMs } = this.#context;
    const call = new Call({ method, metadata, deadlineMs, peer: exchange.peer });
    const requests = parts.etcd.stream(call, this.#responses);
    this.#responses.attach(requests);
    if (this.#responses.hasEnded) return;
    requests.send(builtMessage(message));
    if (!this.#responses.hasEnded) requests.halfClose();
  }
}
