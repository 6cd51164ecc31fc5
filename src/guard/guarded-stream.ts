/**
 * A stream under guard. Only its opening is guarded: requests are kept until the first response, so that a stream that was
 * never sent can be sent to another endpoint. From the first response on everything passes without a time limit. One object
 * is the request sink of the layer above and the response sink of each attempt.
 */
import type { Call, Etcd, Message, OwnedMessage, Requests, Responses } from '../call/call.ts';
import type { Status } from '../grpc/status.ts';
import { GuardedCall, type GuardParts } from './guarded-call.ts';

/**
 * Requests of one stream that are kept before its first response. Beyond this a waiting client is paused, and a stream that
 * was sent is no longer repeated.
 */
const earlyBytesMax = 256 << 10;

export class GuardedStream
  extends GuardedCall<Requests<'store'>>
  implements Requests<'store'>, Responses<'store'>
{
  /** The stream below, once all kept requests were passed to it. */
  #open: Requests<'store'> | null = null;
  /** Requests from the first one on. Null if they are no longer needed or were too many. */
  #early: Message<'store'>[] | null = [];
  #earlyBytes = 0;
  #isHalfClosed = false;
  /** The client applies backpressure. */
  #isPausedAbove = false;
  /** The guard or the upstream has paused the client. */
  #hasPausedClient = false;
  #isPausedBelow = false;

  constructor(parts: GuardParts, next: Etcd<'store'>, call: Call, above: Responses<'store'>) {
    super(parts, next, call, above);
  }

  send(message: Message<'store'>): void {
    if (this.stage === 'over') return;
    const open = this.#open;
    this.#keep(message);
    open?.send(message);
  }

  halfClose(): void {
    if (this.stage === 'over') return;
    this.#isHalfClosed = true;
    this.#open?.halfClose();
  }

  pauseResponses(): void {
    this.#isPausedAbove = true;
    this.below?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isPausedAbove = false;
    this.below?.resumeResponses();
  }

  deliver(message: OwnedMessage<'store'>): void {
    if (this.stage === 'over') return;
    try {
      this.#onMessage();
      this.above.deliver(message);
    } catch (error) {
      this.call.fault(error);
    }
  }

  deliverShared(head: Uint8Array, tail: Message<'store'>): void {
    if (this.stage === 'over') return;
    try {
      this.#onMessage();
      this.above.deliverShared(head, tail);
    } catch (error) {
      this.call.fault(error);
    }
  }

  end(status: Status): void {
    try {
      this.#open = null;
      this.#isPausedBelow = false;
      this.onEnd(status);
    } catch (error) {
      this.call.fault(error);
    }
  }

  pauseRequests(): void {
    this.#onPauseBelow(true);
  }

  resumeRequests(): void {
    this.#onPauseBelow(false);
  }

  protected override startAttempt(): Requests<'store'> {
    return this.next.stream(this.call, this);
  }

  /** Passes on the kept requests. Each step may end the stream, or add to the requests that are kept. */
  protected override onStarted(below: Requests<'store'>): void {
    const early = this.#early ?? [];
    for (let i = 0; i < early.length && below === this.below; i++) {
      const message = early[i];
      if (message !== undefined) below.send(message);
    }
    if (below !== this.below) return;
    this.#open = below;
    if (this.hasResponse) this.#early = null;
    if (this.#isPausedAbove) below.pauseResponses();
    if (this.#isHalfClosed) below.halfClose();
    if (below === this.below) this.#pauseClient();
  }

  protected override get isRepeatable(): boolean {
    return this.#early !== null;
  }

  protected override get keptBytes(): number {
    return this.#earlyBytes;
  }

  #onMessage(): void {
    this.onResponse();
    if (this.#open !== null) this.#early = null;
  }

  #onPauseBelow(isPaused: boolean): void {
    if (this.stage === 'over') return;
    try {
      this.#isPausedBelow = isPaused;
      this.#pauseClient();
    } catch (error) {
      this.call.fault(error);
    }
  }

  #keep(message: Message<'store'>): void {
    if (this.#early === null) return;
    this.#earlyBytes += message.length;
    this.#early.push(message);
    if (this.stage === 'held' && !this.parts.hold.keep(this, message.length)) {
      this.onKeptTooMuch();
    } else if (this.#open !== null && this.#earlyBytes > earlyBytesMax) {
      this.#early = null;
    } else {
      this.#pauseClient();
    }
  }

  /** Pauses the client while the upstream applies backpressure, or while the stream waits and the client has sent enough. */
  #pauseClient(): void {
    const mustPause =
      this.#isPausedBelow || (this.#open === null && this.#earlyBytes > earlyBytesMax);
    if (mustPause === this.#hasPausedClient) return;
    this.#hasPausedClient = mustPause;
    if (mustPause) this.above.pauseRequests();
    else this.above.resumeRequests();
  }
}
