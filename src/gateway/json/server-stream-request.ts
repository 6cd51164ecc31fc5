/** A JSON request with one message for a method that streams its responses, for example Observe. */
import { builtMessage } from '../../call/call.ts';
import type { BodySink } from '../exchange.ts';
import { callOf, type JsonContext } from './context.ts';
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
    const { etcd } = this.#context.parts;
    const requests = etcd.stream(callOf(this.#context), this.#responses);
    this.#responses.attach(requests);
    if (this.#responses.hasEnded) return;
    requests.send(builtMessage(message));
    if (!this.#responses.hasEnded) requests.halfClose();
  }
}
