/**
 * The progress requests of one stream to etcd. etcd responds for all watches of the stream at once, so while it has not
 * responded to a request, further ones share the next. It does not respond at all while a watch of the stream is not in sync.
 * Until it does, requests are repeated with a growing interval, because each of them may still be responded to later: a watch
 * that is created in between cannot tell such a response from one to a later request.
 */
import type { Clock } from '../../runtime/clock.ts';

const intervalMsMin = 100;
const intervalMsMax = 1_000;
/** Requests from before the previous period do not count as in flight. */
const periodMs = 5_000;

export class UpstreamProgress {
  readonly #clock: Clock;
  readonly #send: () => void;
  /** etcd has not responded to the last request. */
  #isWaiting = false;
  /** A request was made since the last one was sent. */
  #isWanted = false;
  #intervalMs = intervalMsMin;
  #sentMs = Number.NEGATIVE_INFINITY;
  #before = 0;
  #now = 0;
  #periodMs = Number.NEGATIVE_INFINITY;

  /** `send` sends one progress request. */
  constructor(clock: Clock, send: () => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Requests that etcd may still respond to. */
  get inFlight(): number {
    this.#rotate();
    return this.#before + this.#now;
  }

  /** The caller repeats this until it has what it needs. */
  request(): void {
    if (!this.#isWaiting) this.#sendOne();
    else if (this.#clock.nowMs() - this.#sentMs >= this.#intervalMs) {
      this.#intervalMs = Math.min(this.#intervalMs * 2, intervalMsMax);
      this.#sendOne();
    } else this.#isWanted = true;
  }

  onResponse(): void {
    if (this.#before > 0) this.#before -= 1;
    else if (this.#now > 0) this.#now -= 1;
    this.#isWaiting = false;
    this.#intervalMs = intervalMsMin;
    if (this.#isWanted) this.#sendOne();
  }

  #sendOne(): void {
    this.#rotate();
    this.#now += 1;
    this.#isWaiting = true;
    this.#isWanted = false;
    this.#sentMs = this.#clock.nowMs();
    this.#send();
  }

  #rotate(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#periodMs < periodMs) return;
    this.#before = nowMs - this.#periodMs < 2 * periodMs ? this.#now : 0;
    this.#now = 0;
    this.#periodMs = nowMs;
  }
}
