/**
 * A stream under guard. Only its opening is guarded: until the first answer its requests are kept, so that a stream that
 * was never sent can be sent elsewhere; from then on everything passes through, without a time limit of ours.
 */
import type { Call, Etcd, Message, Reply, Requests } from '../call/call.ts';
import type { Status } from '../grpc/status.ts';
import { GuardedCall, type GuardParts } from './guarded-call.ts';
import { rescueFrom } from '../call/rescue.ts';

/**
 * Requests of one stream that are kept before its first answer. A waiting client is paused beyond it; a stream that was
 * sent is no longer repeated.
 */
const earlyBytesMax = 256 << 10;

export class GuardedStream extends GuardedCall<Requests<'store'>> implements Requests<'store'> {
  readonly #answers: Answers;
  /** The stream below, once it was given everything that came before. */
  #open: Requests<'store'> | null = null;
  /** Requests from the first one on; null when they are no longer needed or were too many. */
  #early: Message<'store'>[] | null = [];
  #earlyBytes = 0;
  #isHalfClosed = false;
  /** The client takes no answers. */
  #isPausedAbove = false;
  /** We or the upstream have asked the client to send no more. */
  #hasPausedClient = false;
  #isPausedBelow = false;

  constructor(parts: GuardParts, next: Etcd<'store'>, call: Call, reply: Reply<'store'>) {
    super(parts, next, call, reply);
    this.#answers = new Answers(this);
  }

  message(bytes: Message<'store'>): void {
    if (this.stage === 'over') return;
    const open = this.#open;
    this.#keep(bytes);
    open?.message(bytes);
  }

  end(): void {
    if (this.stage === 'over') return;
    this.#isHalfClosed = true;
    this.#open?.end();
  }

  pause(): void {
    this.#isPausedAbove = true;
    this.below?.pause();
  }

  resume(): void {
    this.#isPausedAbove = false;
    this.below?.resume();
  }

  onMessageBelow(bytes: Message<'store'>): void {
    if (this.stage === 'over') return;
    try {
      this.onAnswer();
      if (this.#open !== null) this.#early = null;
      this.reply.message(bytes);
    } catch (error) {
      rescueFrom(error, this.call);
    }
  }

  onEndBelow(status: Status): void {
    try {
      this.#open = null;
      this.#isPausedBelow = false;
      this.onEnd(status);
    } catch (error) {
      rescueFrom(error, this.call);
    }
  }

  onPauseBelow(isPaused: boolean): void {
    if (this.stage === 'over') return;
    try {
      this.#isPausedBelow = isPaused;
      this.#pauseClient();
    } catch (error) {
      rescueFrom(error, this.call);
    }
  }

  protected override send(): Requests<'store'> {
    return this.next.stream(this.call, this.#answers);
  }

  /** Passes on what came before. Each step may end the stream, or add to what is to be passed on. */
  protected override onSent(below: Requests<'store'>): void {
    const early = this.#early ?? [];
    for (let i = 0; i < early.length && below === this.below; i++) {
      const bytes = early[i];
      if (bytes !== undefined) below.message(bytes);
    }
    if (below !== this.below) return;
    this.#open = below;
    if (this.isAnswered) this.#early = null;
    if (this.#isPausedAbove) below.pause();
    if (this.#isHalfClosed) below.end();
    if (below === this.below) this.#pauseClient();
  }

  protected override get isRepeatable(): boolean {
    return this.#early !== null;
  }

  protected override get keptBytes(): number {
    return this.#earlyBytes;
  }

  #keep(bytes: Message<'store'>): void {
    if (this.#early === null) return;
    this.#earlyBytes += bytes.length;
    this.#early.push(bytes);
    if (this.stage === 'held' && !this.parts.hold.keep(this, bytes.length)) {
      this.onKeptTooMuch();
    } else if (this.#open !== null && this.#earlyBytes > earlyBytesMax) {
      this.#early = null;
    } else {
      this.#pauseClient();
    }
  }

  /** The client sends no more while the upstream cannot take it, or while it waits and has sent enough. */
  #pauseClient(): void {
    const mustPause =
      this.#isPausedBelow || (this.#open === null && this.#earlyBytes > earlyBytesMax);
    if (mustPause === this.#hasPausedClient) return;
    this.#hasPausedClient = mustPause;
    if (mustPause) this.reply.pause();
    else this.reply.resume();
  }
}

/** The answers' half of the same stream. */
class Answers implements Reply<'store'> {
  readonly #stream: GuardedStream;

  constructor(stream: GuardedStream) {
    this.#stream = stream;
  }

  message(bytes: Message<'store'>): void {
    this.#stream.onMessageBelow(bytes);
  }

  end(status: Status): void {
    this.#stream.onEndBelow(status);
  }

  pause(): void {
    this.#stream.onPauseBelow(true);
  }

  resume(): void {
    this.#stream.onPauseBelow(false);
  }
}
