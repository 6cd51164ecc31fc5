/**
 * The IDs of recently closed streams, and whether each was reset by this end. After such a reset, frames of the peer may still
 * be in flight and are ignored. After both sides ended the stream, further frames are violations. RFC 9113, section 5.1.
 */
const resetBit = 0x8000_0000;

export class ClosedStreams {
  readonly #streamsMax: number;
  /** Grows with use, because most connections have few streams. */
  readonly #ring: number[] = [];
  #next = 0;

  constructor(streamsMax: number) {
    this.#streamsMax = streamsMax;
  }

  add(streamId: number, wasReset: boolean): void {
    this.#ring[this.#next] = wasReset ? streamId + resetBit : streamId;
    this.#next = this.#next + 1 === this.#streamsMax ? 0 : this.#next + 1;
  }

  has(streamId: number): boolean {
    return this.#ring.includes(streamId) || this.wasReset(streamId);
  }

  wasReset(streamId: number): boolean {
    return this.#ring.includes(streamId + resetBit);
  }
}
