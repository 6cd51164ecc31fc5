/**
 * The IDs of streams that were closed of late, and who closed them. After our own reset a peer's frames may still be
 * under way and are ignored; after an end that both sides agreed on they are violations. RFC 9113, section 5.1.
 */
const resetBit = 0x8000_0000;

export class ClosedStreams {
  readonly #streamsMax: number;
  /** Grows with the streams there were, because most connections have few and a thousand of them should cost little. */
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
