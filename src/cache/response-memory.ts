/**
 * The bytes of responses from memory that may still wait for clients. Many clients can hold the same bytes, and a range that
 * changes has new ones each time. They count until the garbage collector has found them unused, so the count is never too low.
 */
export class ResponseMemory {
  bytes = 0;
  readonly #bytesMax: number;
  readonly #registry = new FinalizationRegistry<number>((bytes) => {
    this.bytes -= bytes;
  });

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Whether no further response may be built. */
  get isFull(): boolean {
    return this.bytes >= this.#bytesMax;
  }

  /** Whether a response may be kept for later reads. Kept ones leave half of the memory to those that wait for clients. */
  get mayKeep(): boolean {
    return this.bytes * 2 < this.#bytesMax;
  }

  count(response: Uint8Array): void {
    this.bytes += response.length;
    this.#registry.register(response, response.length);
  }
}
