/** A JSON request with one message for a method that streams its responses, for example Observe. */
import { builtMessage, Call } from '../../call/call.ts';
import type { Status } from '../../grpc/status.ts';
import type { BodySink } from '../exchange.ts';
import type { JsonContext } from './context.ts';
import { ResponseStream } from './response-stream.ts';
import { refuse } from './responses.ts';
import { WholeBody } from './whole-body.ts';

export class ServerStreamRequest implements BodySink {
  readonly #context: JsonContext;
  readonly #body: WholeBody;
  readonly #responses: ResponseStream;
  #isRefused = false;

  constructor(context: JsonContext) {
    this.#context = context;
    this.#body = new WholeBody(context, (status) => this.#refuse(status));
    this.#responses = new ResponseStream(context, () => this.#body.close());
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
    const requests = parts.etcd.stream(call, this.#responses);
    this.#responses.attach(requests);
    if (this.#hasEnded) return;
    requests.send(builtMessage(message));
    if (!this.#hasEnded) requests.halfClose();
  }

  get #hasEnded(): boolean {
    return this.#isRefused || this.#responses.hasEnded;
  }

  #refuse(status: Status): void {
    if (this.#hasEnded) return;
    this.#isRefused = true;
    this.#body.close();
    refuse(this.#context, status);
  }
}
