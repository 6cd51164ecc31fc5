/**
 * One call on its way to one endpoint: passes everything on as it is, in both directions, and reports how it went. No
 * retries and no judgement of what the caller should see; that is resilience/.
 */
import type { Reply, Requests } from '../etcd/api.ts';
import type { Status } from '../grpc/status.ts';
import type { ChannelClass, Endpoint } from './endpoint.ts';

export class UnaryAttempt implements Reply<'store'> {
  readonly #endpoint: Endpoint;
  readonly #timeoutMs: number;
  readonly #reply: Reply<'store'>;

  constructor(endpoint: Endpoint, timeoutMs: number, reply: Reply<'store'>) {
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
    this.#reply = reply;
  }

  message(bytes: Uint8Array): void {
    this.#reply.message(bytes);
  }

  end(ended: Status): void {
    // First, so that whoever tries again is already offered another endpoint.
    this.#endpoint.callEnded(ended, this.#timeoutMs);
    this.#reply.end(ended);
  }

  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }
}

/** Counts the stream as open from its creation until it has ended or was cancelled. */
export class StreamAttempt implements Reply<'store'> {
  readonly #endpoint: Endpoint;
  readonly #channelClass: ChannelClass;
  readonly #timeoutMs: number;
  readonly #reply: Reply<'store'>;
  #isOpen = true;
  #isAnswered = false;

  constructor(
    endpoint: Endpoint,
    channelClass: ChannelClass,
    timeoutMs: number,
    reply: Reply<'store'>,
  ) {
    this.#endpoint = endpoint;
    this.#channelClass = channelClass;
    this.#timeoutMs = timeoutMs;
    this.#reply = reply;
    endpoint.streamOpened(channelClass);
  }

  message(bytes: Uint8Array): void {
    if (!this.#isAnswered) {
      this.#isAnswered = true;
      this.#endpoint.answered();
    }
    this.#reply.message(bytes);
  }

  end(ended: Status): void {
    this.close();
    this.#endpoint.callEnded(ended, this.#timeoutMs);
    this.#reply.end(ended);
  }

  pause(): void {
    this.#reply.pause();
  }

  resume(): void {
    this.#reply.resume();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#endpoint.streamClosed(this.#channelClass);
  }
}

/** The caller's end of a `StreamAttempt`, which has to learn of a cancellation. */
export class AttemptRequests implements Requests<'store'> {
  readonly #attempt: StreamAttempt;
  readonly #requests: Requests<'store'>;

  constructor(attempt: StreamAttempt, requests: Requests<'store'>) {
    this.#attempt = attempt;
    this.#requests = requests;
  }

  message(bytes: Uint8Array): void {
    this.#requests.message(bytes);
  }

  end(): void {
    this.#requests.end();
  }

  cancel(): void {
    this.#attempt.close();
    this.#requests.cancel();
  }

  pause(): void {
    this.#requests.pause();
  }

  resume(): void {
    this.#requests.resume();
  }
}
