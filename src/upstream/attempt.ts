/**
 * One attempt of a call at one endpoint. It forwards both directions unchanged and reports the end to the endpoint and to the
 * login. Retries, and the status that the client receives, are part of guard/.
 */
import type { Call, OwnedMessage, Responses } from '../call/call.ts';
import { ForwardingCall } from '../call/forwarding.ts';
import type { Metadata } from '../grpc/metadata.ts';
import type { Status } from '../grpc/status.ts';
import type { RequestHead } from '../grpc/transport.ts';
import type { ByteAccount } from '../runtime/byte-budget.ts';
import type { ChannelClass, Endpoint } from './endpoint.ts';
import { forwardedStatus } from './forwarded-status.ts';
import type { Login } from './login.ts';

/** Where the responses of a call count. */
export interface ResponseMemory {
  accountOf(call: Call): ByteAccount;
}

/**
 * Also the head of the request, so that a call allocates one instance of a class here. After a while V8 allocates object
 * literals that live as long as a call in the old space, where each keeps its call alive until the next full collection.
 */
abstract class Attempt extends ForwardingCall<'store'> implements RequestHead {
  readonly path: string;
  readonly metadata: Metadata;
  readonly timeoutMs: number;
  protected readonly endpoint: Endpoint;
  protected readonly call: Call;
  readonly #memory: ResponseMemory;
  /** Null if the client's own credentials were sent: then the client receives their rejection. */
  protected readonly login: Login | null;

  constructor(
    endpoint: Endpoint,
    call: Call,
    login: Login | null,
    metadata: Metadata,
    timeoutMs: number,
    memory: ResponseMemory,
    above: Responses<'store'>,
  ) {
    super(above);
    this.#memory = memory;
    this.path = call.method.path;
    this.metadata = metadata;
    this.timeoutMs = timeoutMs;
    this.endpoint = endpoint;
    this.call = call;
    this.login = login;
  }

  responseAccount(): ByteAccount {
    return this.#memory.accountOf(this.call);
  }

  override end(ended: Status): void {
    const status = forwardedStatus(ended);
    // First, so that a retry already selects another endpoint.
    const recorded = this.endpoint.recordEnd(status, this.timeoutMs, this.call.deadlineMs);
    const { login, call, metadata } = this;
    super.end(login === null ? recorded : login.checkEnd(call, metadata, recorded));
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

/** An open stream of its endpoint, from `open` until it ends or is cancelled. */
export class StreamAttempt extends Attempt {
  #channelClass: ChannelClass = 'unary';
  #isOpen = false;
  #hasResponse = false;

  open(channelClass: ChannelClass): void {
    this.#isOpen = true;
    this.#channelClass = channelClass;
    this.endpoint.streamOpened(channelClass);
    if (channelClass === 'watch') this.login?.streamOpened(this);
  }

  override deliver(message: OwnedMessage<'store'>): void {
    if (!this.#hasResponse) {
      this.#hasResponse = true;
      this.endpoint.recordFirstResponse();
    }
    super.deliver(message);
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

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.endpoint.streamClosed(this.#channelClass);
    this.login?.streamClosed(this);
  }
}
