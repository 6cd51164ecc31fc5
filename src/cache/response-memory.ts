/**
 * The bytes of responses from memory that may still wait for clients. Many clients can hold the same bytes, and a range that
 * changes has new ones each time. They count until the garbage collector has found them unused, so the count is never too low.
 */
export class ResponseMemory {
  bytes = 0;
  /** Of these, the bytes of responses that the ranges keep. */
  keptBytes = 0;
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

  /** Whether a response of this size may be kept for later reads. Kept ones leave half of the memory to those that wait. */
  mayKeep(bytes: number): boolean {
    return 2 * (this.keptBytes + bytes) <= this.#bytesMax;
  }

  count(response: Uint8Array): void {
    this.bytes += response.length;
    this.#registry.register(response, response.length);
  }
}
