/**
 * One call on its way to one endpoint: passes everything on as it is, in both directions, and reports how it went. No
 * retries and no judgement of what the caller should see; that is resilience/.
 */
import type { Call, Reply, Requests } from '../call/call.ts';
import { settled } from '../grpc/call.ts';
import type { Metadata } from '../grpc/metadata.ts';
import { Code, type Status, status } from '../grpc/status.ts';
import type { RequestHead } from '../grpc/transport.ts';
import type { ChannelClass, Endpoint } from './endpoint.ts';
import type { Login } from './login.ts';

/**
 * What both kinds have in common. It is the head of the request as well, so that a call makes one object here, and one of a
 * class: literals that live as long as a call V8 soon allocates among the old ones, where each keeps its call from being
 * collected until the next full collection.
 */
abstract class Attempt implements RequestHead {
  readonly path: string;
  readonly metadata: Metadata;
  readonly timeoutMs: number;
  protected readonly endpoint: Endpoint;
  protected readonly call: Call;
  /** Null where the credentials are the client's own: what etcd says of them is for the client. */
  protected readonly login: Login | null;
  protected readonly reply: Reply<'store'>;

  constructor(
    endpoint: Endpoint,
    call: Call,
    login: Login | null,
    metadata: Metadata,
    timeoutMs: number,
    reply: Reply<'store'>,
  ) {
    this.path = call.method.path;
    this.metadata = metadata;
    this.timeoutMs = timeoutMs;
    this.endpoint = endpoint;
    this.call = call;
    this.login = login;
    this.reply = reply;
  }

  pause(): void {
    this.reply.pause();
  }

  resume(): void {
    this.reply.resume();
  }

  protected ended(how: Status): void {
    // First, so that whoever tries again is already offered another endpoint.
    this.endpoint.callEnded(how, this.timeoutMs, this.call.deadlineMs);
    const judged = this.login === null ? how : this.login.judge(this.call, this.metadata, how);
    this.reply.end(judged);
  }
}

export class UnaryAttempt extends Attempt implements Reply<'store'> {
  message(bytes: Uint8Array): void {
    this.reply.message(bytes);
  }

  end(how: Status): void {
    this.ended(how);
  }
}

/** Counts as open from `opened` until it has ended or was cancelled. */
export class StreamAttempt extends Attempt implements Reply<'store'> {
  /** The sending half, once there is one. */
  requests: Requests<'store'> = settled;
  #channelClass: ChannelClass = 'unary';
  #isOpen = false;
  #isAnswered = false;

  opened(channelClass: ChannelClass): void {
    this.#isOpen = true;
    this.#channelClass = channelClass;
    this.endpoint.streamOpened(channelClass);
    if (channelClass === 'watch') this.login?.streamOpened(this);
  }

  message(bytes: Uint8Array): void {
    if (!this.#isAnswered) {
      this.#isAnswered = true;
      this.endpoint.answered();
    }
    this.reply.message(bytes);
  }

  end(how: Status): void {
    this.close();
    this.ended(how);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.endpoint.streamClosed(this.#channelClass);
    this.login?.streamClosed(this);
  }

  /** Ends the stream on both sides, so that whoever wants it opens another. */
  lose(): void {
    this.close();
    this.requests.cancel();
    this.reply.end(outdated);
  }
}

const outdated = status(Code.UNAVAILABLE, 'opened with a token that was replaced', 'lost');

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
