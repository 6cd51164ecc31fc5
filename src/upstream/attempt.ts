/**
 * One attempt of a call at one endpoint. It forwards both directions unchanged and reports the end to the endpoint and to the
 * login. Retries, and the status that the client receives, are part of guard/.
 */
import type { Call, OwnedMessage, Responses } from '../call/call.ts';
import { ForwardingCall } from '../call/forwarding.ts';
import type { AttemptTrace } from '../call/trace.ts';
import { classifyRejectedCreate } from '../etcd/outcomes.ts';
import { rejectedCreateReason } from '../etcd/rejected-create.ts';
import type { Metadata } from '../grpc/metadata.ts';
import { Code, type Status, status } from '../grpc/status.ts';
import type { RequestHead } from '../grpc/transport.ts';
import type { ByteAccount } from '../runtime/byte-budget.ts';
import type { ChannelClass, Endpoint } from './endpoint.ts';
import { attemptMetadata } from './forwarded-metadata.ts';
import { forwardedStatus } from './forwarded-status.ts';
import type { Login } from './login.ts';
import type { MovableStream, Rebalancer } from './rebalance.ts';

/** The upstream, as far as its attempts use it. */
export interface AttemptHost {
  /** Where the responses of a call count. */
  accountOf(call: Call): ByteAccount;
  /** Null if the client's own credentials are sent. */
  loginFor(call: Call): Login | null;
}

/**
 * Also the head of the request, so that a call allocates one instance of a class here. After a while V8 allocates object
 * literals that live as long as a call in the old space, where each keeps its call alive until the next full collection.
 */
abstract class Attempt extends ForwardingCall<'store'> implements RequestHead {
  readonly path: string;
  readonly metadata: Metadata;
  readonly timeoutMs: number;
  readonly endpoint: Endpoint;
  /** Null if the call is not traced. */
  readonly trace: AttemptTrace | null;
  protected readonly call: Call;
  readonly #host: AttemptHost;
  /** Null if the client's own credentials were sent: then the client receives their rejection. */
  protected readonly login: Login | null;

  constructor(
    host: AttemptHost,
    endpoint: Endpoint,
    call: Call,
    timeoutMs: number,
    above: Responses<'store'>,
  ) {
    super(above);
    const login = host.loginFor(call);
    this.trace = call.trace === null ? null : call.trace.attempt(call.method, endpoint.name);
    this.#host = host;
    this.path = call.method.path;
    this.metadata = attemptMetadata(
      call.metadata,
      login === null ? null : login.metadata,
      this.trace,
    );
    this.timeoutMs = timeoutMs;
    this.endpoint = endpoint;
    this.call = call;
    this.login = login;
  }

  responseAccount(): ByteAccount {
    return this.#host.accountOf(this.call);
  }

  override end(ended: Status): void {
    const status = forwardedStatus(ended);
    // First, so that a retry already selects another endpoint.
    const recorded = this.endpoint.recordEnd(status, this.timeoutMs, this.call.deadlineMs);
    this.trace?.end(recorded);
    const { login, call, metadata } = this;
    super.end(login === null ? recorded : login.checkEnd(call, metadata, recorded));
  }

  override cancel(): void {
    if (!this.isEnded) this.trace?.end(cancelled);
    super.cancel();
  }

  override abort(status: Status): void {
    if (!this.isEnded) this.trace?.end(status);
    super.abort(status);
  }
}

/** A method that waits for other clients has no response for as long as they wish, which is not the silence of the member. */
export class UnaryAttempt extends Attempt {
  /** It counts as sent and without a response. */
  #isAwaited = false;

  /** Called before the call is sent. */
  begin(): void {
    if (this.call.method.waits) return;
    this.#isAwaited = true;
    this.endpoint.silence.onSent();
  }

  /** The first part of a large response has arrived. The rest may have to wait here for a long time. */
  override responseAccount(): ByteAccount {
    if (this.#isAwaited) this.endpoint.silence.onResponse();
    this.#isAwaited = false;
    return super.responseAccount();
  }

  override end(status: Status): void {
    if (this.#isAwaited) {
      this.#isAwaited = false;
      if (status.origin === 'peer') this.endpoint.silence.onResponse();
      else this.endpoint.silence.onAbandoned(status.origin !== 'proxy');
    }
    super.end(status);
  }

  override cancel(): void {
    if (!this.isEnded && this.#isAwaited) this.endpoint.silence.onAbandoned(false);
    this.#isAwaited = false;
    super.cancel();
  }
}

/**
 * An open stream of its endpoint, from `open` until it ends or is cancelled. etcd checks the token of a watch stream for each create,
 * hours after the stream was opened, and reports a stale one in the response to the create. The client does not receive that: the
 * proxy logs in again, and the stream ends as lost, or as not sent if this is its first response.
 */
export class StreamAttempt extends Attempt implements MovableStream {
  #channelClass: ChannelClass = 'unary';
  #isOpen = false;
  #hasResponse = false;
  /** Null for streams that must not be moved. */
  #rebalancer: Rebalancer | null = null;
  /** The caller applies backpressure. */
  #isPaused = false;
  /** A rejected create and what follows it, while the token is being checked. Null otherwise. */
  #withheld: OwnedMessage<'store'>[] | null = null;

  /** `rebalancer` may move the stream if its owner permits that. */
  open(channelClass: ChannelClass, rebalancer: Rebalancer): void {
    this.#isOpen = true;
    if (this.call.isMovable) {
      this.#rebalancer = rebalancer;
      rebalancer.add(this);
    }
    this.#channelClass = channelClass;
    this.endpoint.streamOpened(channelClass);
    if (channelClass === 'watch') this.login?.streamOpened(this);
  }

  override deliver(message: OwnedMessage<'store'>): void {
    const isFirst = !this.#hasResponse;
    if (isFirst) {
      this.#hasResponse = true;
      this.endpoint.recordFirstResponse();
    }
    if (this.#withheld !== null) this.#withheld.push(message);
    else if (this.login?.hasUser === true && this.#channelClass === 'watch') {
      this.#deliverChecked(this.login, message, isFirst);
    } else super.deliver(message);
  }

  override end(status: Status): void {
    this.#close();
    super.end(status);
  }

  override cancel(): void {
    this.#close();
    super.cancel();
  }

  override abort(status: Status): void {
    this.#close();
    super.abort(status);
  }

  override pauseResponses(): void {
    this.#isPaused = true;
    if (this.#withheld === null) super.pauseResponses();
  }

  override resumeResponses(): void {
    this.#isPaused = false;
    if (this.#withheld === null) super.resumeResponses();
  }

  move(): boolean {
    if (!this.#hasResponse) return false;
    this.abort(streamMoved);
    return true;
  }

  #deliverChecked(login: Login, message: OwnedMessage<'store'>, isFirst: boolean): void {
    const reason = rejectedCreateReason(message);
    const verdict = reason === null ? 'valid' : classifyRejectedCreate(reason);
    if (verdict === 'valid') super.deliver(message);
    else if (verdict === 'stale') this.#endStale(login, isFirst);
    else {
      super.pauseResponses();
      this.#withheld = [message];
      login.check(this.endpoint, this.metadata, (verified) => {
        if (this.isEnded) return;
        if (verified === 'valid') this.#deliverWithheld();
        else this.#endStale(login, isFirst);
      });
    }
  }

  #deliverWithheld(): void {
    const withheld = this.#withheld ?? [];
    this.#withheld = null;
    for (const message of withheld) if (!this.isEnded) super.deliver(message);
    if (!this.#isPaused) super.resumeResponses();
  }

  #endStale(login: Login, isFirst: boolean): void {
    const stale = login.checkEnd(this.call, this.metadata, staleToken);
    this.abort(isFirst ? stale : streamLost);
  }

  #close(): void {
    this.#withheld = null;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.endpoint.streamClosed(this.#channelClass);
    this.login?.streamClosed(this);
    this.#rebalancer?.remove(this);
  }
}

const cancelled = status(Code.CANCELLED, '');
const staleToken = status(Code.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'peer');
const streamMoved = status(Code.UNAVAILABLE, 'the stream moves to another endpoint', 'lost');
const streamLost = status(Code.UNAVAILABLE, 'etcd rejected the token of this stream', 'lost');
