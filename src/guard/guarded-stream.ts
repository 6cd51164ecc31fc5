/**
 * A stream under guard. Only its opening is guarded: requests are buffered until the first response, so that a stream that
 * was never sent can be sent to another endpoint. After the first response everything is forwarded without a time limit.
 */
import type { Message, Requests } from '../call/call.ts';
import type { Status } from '../grpc/status.ts';
import { GuardedCall } from './guarded-call.ts';

/** Request bytes that one stream buffers. Beyond it a waiting client is paused, and a stream in flight is not sent again. */
const earlyBytesMax = 256 << 10;

export class GuardedStream extends GuardedCall<Requests<'store'>> implements Requests<'store'> {
  /** The stream below, as soon as all buffered requests were passed to it. */
  #open: Requests<'store'> | null = null;
  /** All requests so far. Null after the last use, and above the limit. */
  #early: Message<'store'>[] | null = [];
  #earlyBytes = 0;
  #isHalfClosed = false;
  #isResponsePathPaused = false;
  /** The upstream applies backpressure. */
  #isUpstreamFull = false;
  #isClientPaused = false;

  send(message: Message<'store'>): void {
    if (this.stage === 'ended') return;
    const open = this.#open;
    this.#buffer(message);
    open?.send(message);
  }

  halfClose(): void {
    if (this.stage === 'ended') return;
    this.#isHalfClosed = true;
    this.#open?.halfClose();
  }

  pauseResponses(): void {
    this.#isResponsePathPaused = true;
    this.below?.pauseResponses();
  }

  resumeResponses(): void {
    this.#isResponsePathPaused = false;
    this.below?.resumeResponses();
  }

  override pauseRequests(): void {
    this.#setUpstreamFull(true);
  }

  override resumeRequests(): void {
    this.#setUpstreamFull(false);
  }

  protected override startAttempt(): Requests<'store'> {
    return this.next.stream(this.call, this);
  }

  /** Passes the buffered requests on. Each step may end the stream or add to the buffer. */
  protected override onStarted(below: Requests<'store'>): void {
    const early = this.#early ?? [];
    for (let i = 0; i < early.length && below === this.below; i++) {
      const message = early[i];
      if (message !== undefined) below.send(message);
    }
    if (below !== this.below) return;
    this.#open = below;
    if (this.hasResponse) this.#early = null;
    if (this.#isResponsePathPaused) below.pauseResponses();
    if (this.#isHalfClosed) below.halfClose();
    if (below === this.below) this.#updateBackpressure();
  }

  protected override get canResend(): boolean {
    return this.#early !== null;
  }

  /** A stream stays open for as long as its client wishes, so it cannot wait for its turn. */
  protected override takeTurn(): boolean {
    return true;
  }

  protected override giveTurn(): void {}

  protected override get requestBytes(): number {
    return this.#earlyBytes;
  }

  protected override onResponse(bytes: number): void {
    super.onResponse(bytes);
    if (this.#open !== null) this.#early = null;
  }

  protected override onEnd(status: Status): void {
    this.#open = null;
    this.#isUpstreamFull = false;
    super.onEnd(status);
  }

  #setUpstreamFull(isFull: boolean): void {
    if (this.stage === 'ended') return;
    try {
      this.#isUpstreamFull = isFull;
      this.#updateBackpressure();
    } catch (error) {
      this.call.fault(error);
    }
  }

  #buffer(message: Message<'store'>): void {
    if (this.#early === null) return;
    this.#earlyBytes += message.length;
    this.#early.push(message);
    if (this.stage === 'waiting' && !this.parts.hold.enqueue(this, message.length)) {
      this.endUnsent('neutral');
    } else if (this.#open !== null && this.#earlyBytes > earlyBytesMax) {
      this.#early = null;
    } else {
      this.#updateBackpressure();
    }
  }

  /** Pauses the client while the upstream applies backpressure, or while the stream waits with a full buffer. */
  #updateBackpressure(): void {
    const mustPause =
      this.#isUpstreamFull || (this.#open === null && this.#earlyBytes > earlyBytesMax);
    if (mustPause === this.#isClientPaused) return;
    this.#isClientPaused = mustPause;
    if (mustPause) this.above.pauseRequests();
    else this.above.resumeRequests();
  }
}
