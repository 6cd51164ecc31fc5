/**
 * A started call below the code under test. It records what it is sent, responds when the test says so, and throws where
 * either side breaks the contract of src/grpc/call.ts.
 */
import type { RequestSink, ResponseSink } from '../../src/grpc/call.ts';
import { ok, type Status, status } from '../../src/grpc/status.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';

export class FakeCall<M extends Uint8Array = Uint8Array> implements RequestSink<M> {
  /** The sink of the code under test. For responses that break the contract; all others go through the methods below. */
  readonly responses: ResponseSink<M>;
  readonly requests: M[] = [];
  isCancelled = false;
  isHalfClosed = false;
  isPaused = false;
  isEnded = false;
  /** All of them, also those after the end. */
  cancels = 0;
  pauses = 0;
  resumes = 0;

  constructor(responses: ResponseSink<M>) {
    this.responses = responses;
  }

  send(message: M): void {
    this.#mustTakeRequests('send');
    this.requests.push(message);
  }

  halfClose(): void {
    this.#mustTakeRequests('halfClose');
    this.isHalfClosed = true;
  }

  /** Without effect after the end. A second cancel before it is a violation. */
  cancel(): void {
    this.cancels += 1;
    if (this.isEnded) return;
    this.#mustNotBeCancelled('cancel');
    this.isCancelled = true;
  }

  pauseResponses(): void {
    if (this.isEnded) return;
    this.#mustNotBeCancelled('pauseResponses');
    this.isPaused = true;
    this.pauses += 1;
  }

  resumeResponses(): void {
    if (this.isEnded) return;
    this.#mustNotBeCancelled('resumeResponses');
    this.isPaused = false;
    this.resumes += 1;
  }

  /** Delivers one response, owned. */
  deliver(message: Uint8Array | string): void {
    this.#mustRespond('deliver');
    this.responses.deliver(asOwned(bytesOf(message)) as M & ReturnType<typeof asOwned>);
  }

  deliverShared(head: Uint8Array | string, tail: Uint8Array | string): void {
    this.#mustRespond('deliverShared');
    this.responses.deliverShared(bytesOf(head), bytesOf(tail) as M);
  }

  end(ended: Status = ok): void {
    this.#mustRespond('end');
    this.isEnded = true;
    this.responses.end(ended);
  }

  /** The one response of a unary call, and its end. */
  respond(message: Uint8Array | string): void {
    this.deliver(message);
    this.end();
  }

  /** Ends the call with a status of etcd. */
  fail(code: number, text: string): void {
    this.end(status(code, text, 'peer'));
  }

  pauseRequests(): void {
    this.#mustRespond('pauseRequests');
    this.responses.pauseRequests();
  }

  resumeRequests(): void {
    this.#mustRespond('resumeRequests');
    this.responses.resumeRequests();
  }

  /** The request of a unary call, or the newest one of a stream. */
  get request(): M {
    const newest = this.requests.at(-1);
    if (newest === undefined) throw new Error('the call has received no request');
    return newest;
  }

  #mustTakeRequests(method: string): void {
    this.#mustNotBeCancelled(method);
    if (this.isEnded) throw new Error(`${method} after the end`);
    if (this.isHalfClosed) throw new Error(`${method} after halfClose`);
  }

  #mustNotBeCancelled(method: string): void {
    if (this.isCancelled) throw new Error(`${method} after cancel`);
  }

  #mustRespond(method: string): void {
    this.#mustNotBeCancelled(method);
    if (this.isEnded) throw new Error(`${method} after the end`);
  }
}

export function bytesOf(message: Uint8Array | string): Uint8Array {
  return typeof message === 'string' ? Buffer.from(message) : message;
}
