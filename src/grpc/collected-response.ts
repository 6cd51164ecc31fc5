/** The response sink of a unary call that the proxy makes itself. It reports status and message when the call ends. */
import type { OwnedBytes } from '../runtime/owned-bytes.ts';
import type { ResponseSink } from './call.ts';
import type { Status } from './status.ts';

export class CollectedResponse implements ResponseSink {
  hasEnded = false;
  readonly #onEnd: (status: Status, message: Uint8Array | null) => void;
  #message: Uint8Array | null = null;

  /** `onEnd` is called once. `message` is null if the call ended without one. */
  constructor(onEnd: (status: Status, message: Uint8Array | null) => void) {
    this.#onEnd = onEnd;
  }

  deliver(message: OwnedBytes): void {
    this.#message = message;
  }

  deliverShared(head: Uint8Array, tail: Uint8Array): void {
    this.#message = Buffer.concat([head, tail]);
  }

  end(status: Status): void {
    this.hasEnded = true;
    this.#onEnd(status, this.#message);
  }

  // The only request has been sent by the time the upstream could apply backpressure.
  pauseRequests(): void {}

  resumeRequests(): void {}
}
