/**
 * Asks etcd for the position of a feed while something waits for it. A request covers the revisions that were known when it was
 * sent: for a later one etcd is asked again at once. Requests are repeated with a growing interval, because the member of the
 * watch may lag behind the one that has read the revision, and etcd does not respond while a watch of the stream is not in sync.
 */
import type { CancelTimer, Clock } from '../../runtime/clock.ts';

export interface ProgressPollLimits {
  /** The first and the last interval between requests. */
  readonly progressRetryMsMin: number;
  readonly progressRetryMs: number;
}

export interface ProgressPollSource {
  /** Whether something waits that a progress response may serve. */
  isWaiting(): boolean;
  requestProgress(): void;
}

export class ProgressPoll {
  readonly #clock: Clock;
  readonly #limits: ProgressPollLimits;
  readonly #source: ProgressPollSource;
  /** The newest revision that the requests cover. */
  #covered = 0;
  #intervalMs = 0;
  #cancelTimer: CancelTimer | null = null;

  constructor(clock: Clock, limits: ProgressPollLimits, source: ProgressPollSource) {
    this.#clock = clock;
    this.#limits = limits;
    this.#source = source;
  }

  /** Something waits for `revision`. */
  want(revision: number): void {
    if (this.#cancelTimer !== null && revision <= this.#covered) return;
    this.#covered = Math.max(this.#covered, revision);
    this.begin();
  }

  /** Asks at once if something waits. */
  begin(): void {
    this.close();
    this.#intervalMs = this.#limits.progressRetryMsMin;
    this.#ask();
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  #ask(): void {
    if (!this.#source.isWaiting()) return;
    this.#source.requestProgress();
    this.#cancelTimer = this.#clock.after(this.#intervalMs, () => {
      this.#cancelTimer = null;
      this.#intervalMs = Math.min(2 * this.#intervalMs, this.#limits.progressRetryMs);
      this.#ask();
    });
  }
}
