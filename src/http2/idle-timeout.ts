/**
 * Detects a connection without streams and without pings for `limits.idleMsMax`. One timer compares the present with its last
 * run; a timer that every stream restarts would cost something per call. The timeout is therefore noticed after once to
 * twice that time.
 */
import type { CancelTimer, Clock } from '../runtime/clock.ts';
import { limits } from './limits.ts';
import type { OpenStreams } from './open-streams.ts';

export class IdleTimeout {
  readonly #clock: Clock;
  readonly #streams: OpenStreams;
  readonly #onIdle: () => void;
  /** `highestId` at the last run; -1 if a ping arrived since. */
  #lastSeenId = 0;
  #cancel: CancelTimer;

  constructor(clock: Clock, streams: OpenStreams, onIdle: () => void) {
    this.#clock = clock;
    this.#streams = streams;
    this.#onIdle = onIdle;
    this.#cancel = clock.after(limits.idleMsMax, this.#check);
  }

  readonly #check = (): void => {
    const { size, highestId } = this.#streams;
    if (size === 0 && highestId === this.#lastSeenId) {
      this.#onIdle();
      return;
    }
    this.#lastSeenId = highestId;
    this.#cancel = this.#clock.after(limits.idleMsMax, this.#check);
  };

  onPing(): void {
    this.#lastSeenId = -1;
  }

  stop(): void {
    this.#cancel();
  }
}
