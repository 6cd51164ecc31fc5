/**
 * Limits frames that carry nothing: empty DATA, PING, SETTINGS, PRIORITY, frames for closed streams, unknown types. A few
 * of them are harmless, and a peer may send some in reaction to HEADERS or DATA. Therefore only an uninterrupted run of them
 * counts as a flood.
 */
import type { Clock } from '../runtime/clock.ts';
import type { FrameWriter } from './frame-writer.ts';
import { limits } from './limits.ts';

export class EmptyFrameLimit {
  readonly #clock: Clock;
  readonly #writer: FrameWriter;
  #frames = 0;
  #sinceMs: number;
  /** `messageFrames` of the writer at the last count: a difference ends the run. */
  #sentFrames = 0;

  constructor(clock: Clock, writer: FrameWriter) {
    this.#clock = clock;
    this.#writer = writer;
    this.#sinceMs = clock.nowMs();
  }

  /** The peer sent a header block or a byte of DATA. */
  reset(): void {
    this.#frames = 0;
  }

  /** Counts a frame that carries nothing; false if it makes a flood. */
  allows(): boolean {
    const { messageFrames } = this.#writer;
    if (messageFrames !== this.#sentFrames) {
      this.#sentFrames = messageFrames;
      this.#frames = 0;
    }
    if (++this.#frames <= limits.emptyFramesMax) return true;
    const nowMs = this.#clock.nowMs();
    const isFlood = nowMs - this.#sinceMs < limits.emptyFramesWindowMs;
    this.#frames = 0;
    this.#sinceMs = nowMs;
    return !isFlood;
  }
}
