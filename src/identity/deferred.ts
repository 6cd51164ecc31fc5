/**
 * A call that waits for the verification of its token. Meanwhile the client may send a bounded number of bytes, pause,
 * half-close or cancel; all of that is applied once the call has started.
 */
import type { Call, Message, Responses } from '../call/call.ts';
import { ForwardingCall } from '../call/forwarding.ts';

/** Beyond this many queued bytes the client is paused. */
const queueBytesMax = 64 << 10;

export class DeferredCall extends ForwardingCall<'client'> {
  readonly #call: Call;
  #isWaiting = true;
  #queue: Message<'client'>[] = [];
  #queueBytes = 0;
  #isHalfClosed = false;
  #isPaused = false;
  #hasPausedClient = false;

  constructor(call: Call, above: Responses<'client'>) {
    super(above);
    this.#call = call;
  }

  /** Calls `begin`, which attaches the call below to this one, unless the client has cancelled. Runs in a promise's turn. */
  start(begin: () => void): void {
    if (this.isEnded) return;
    try {
      begin();
      this.#flush();
    } catch (error) {
      this.#call.fault(error);
    }
  }

  override send(message: Message<'client'>): void {
    if (!this.#isWaiting) {
      super.send(message);
      return;
    }
    this.#queue.push(message);
    this.#queueBytes += message.length;
    if (this.#queueBytes <= queueBytesMax || this.#hasPausedClient) return;
    this.#hasPausedClient = true;
    this.pauseRequests();
  }

  override halfClose(): void {
    if (this.#isWaiting) this.#isHalfClosed = true;
    else super.halfClose();
  }

  override cancel(): void {
    this.#queue = [];
    super.cancel();
  }

  override pauseResponses(): void {
    this.#isPaused = true;
    super.pauseResponses();
  }

  override resumeResponses(): void {
    this.#isPaused = false;
    super.resumeResponses();
  }

  /** The call may end while its queue is sent. The rest is dropped then. */
  #flush(): void {
    if (this.#isPaused) super.pauseResponses();
    // Before the queue is sent, so that backpressure from below stays in effect.
    if (this.#hasPausedClient) this.resumeRequests();
    for (const message of this.#queue) super.send(message);
    this.#queue = [];
    this.#isWaiting = false;
    if (this.#isHalfClosed) super.halfClose();
  }
}
