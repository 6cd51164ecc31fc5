/** The way back of a rare call whose answer is built anew from the cluster's. Statuses pass as they are. */
import type { Reply } from '../call/call.ts';
import type { Status } from '../grpc/status.ts';

export class MappedReply implements Reply<'store'> {
  readonly #above: Reply<'tenant'>;
  readonly #map: (bytes: Uint8Array) => Uint8Array;

  /** `map` makes the answer; it must leave out whatever it does not know. */
  constructor(above: Reply<'tenant'>, map: (bytes: Uint8Array) => Uint8Array) {
    this.#above = above;
    this.#map = map;
  }

  message(bytes: Uint8Array): void {
    this.#above.message(this.#map(bytes));
  }

  end(status: Status): void {
    this.#above.end(status);
  }

  pause(): void {
    this.#above.pause();
  }

  resume(): void {
    this.#above.resume();
  }
}
