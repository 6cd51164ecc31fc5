/**
 * One call on its way to one endpoint: passes everything on as it is, in both directions, and reports how it went. No
 * retries and no judgement of what the caller should see; that is resilience/.
 */
import type { Call, Reply, Requests } from '../etcd/api.ts';
import { settled } from '../grpc/call.ts';
import type { Metadata } from '../grpc/metadata.ts';
import { Code, type Status, status } from '../grpc/status.ts';
import type { RequestHead } from '../grpc/transport.ts';
import type { ChannelClass, Endpoint } from './endpoint.ts';
import type { Login } from './login.ts';

/** What is sent, and with whose credentials. */
export interface Sent {
  readonly call: Call;
  readonly head: RequestHead;
  /** Null where the credentials are the client's own: what etcd says of them is for the client. */
  readonly login: Login | null;
}

export class UnaryAttempt implements Reply<'store'> {
  readonly #endpoint: Endpoint;
  readonly #sent: Sent;
  readonly #reply: Reply<'store'>;

  constructor(endpoint: Endpoint, sent: Sent, reply: Reply<'store'>) {
    this.#endpoint = endpoint;
    this.#sent = sent;
    this.#reply = reply;
  }

  message(bytes: Uint8Array): void {
    this.#reply.message(bytes);
  }

  end(ended: Status): void {
    // First, so that whoever tries again is already offered another endpoint.
    const { call, head } = this.#sent;
    this.#endpoint.callEnded(ended, head.timeoutMs, call.deadlineMs);
    this.#reply.end(judged(this.#sent, ended));
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
  /** The sending half, once there is one. */
  requests: Requests<'store'> = settled;
  readonly #endpoint: Endpoint;
  readonly #channelClass: ChannelClass;
  readonly #sent: Sent;
  readonly #reply: Reply<'store'>;
  #isOpen = true;
  #isAnswered = false;

  constructor(endpoint: Endpoint, channelClass: ChannelClass, sent: Sent, reply: Reply<'store'>) {
    this.#endpoint = endpoint;
    this.#channelClass = channelClass;
    this.#sent = sent;
    this.#reply = reply;
    endpoint.streamOpened(channelClass);
    if (channelClass === 'watch') sent.login?.streamOpened(this);
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
    const { call, head } = this.#sent;
    this.#endpoint.callEnded(ended, head.timeoutMs, call.deadlineMs);
    this.#reply.end(judged(this.#sent, ended));
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
    this.#sent.login?.streamClosed(this);
  }

  /** The token that the stream was opened with. */
  get metadata(): Metadata {
    return this.#sent.head.metadata;
  }

  /** Ends the stream on both sides, so that whoever wants it opens another. */
  lose(): void {
    this.close();
    this.requests.cancel();
    this.#reply.end(outdated);
  }
}

function judged({ call, head, login }: Sent, ended: Status): Status {
  return login === null ? ended : login.judge(call, head.metadata, ended);
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
