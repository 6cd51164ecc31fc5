/**
 * Speck64/128: a block cipher of 64 bits with a key of 128 bits that consists of additions, rotations and exclusive ors on
 * 32-bit words. A block takes some 50 ns without a call into native code; node:crypto has no cipher with blocks of 64 bits that
 * is enabled everywhere, and a call costs more than a microsecond.
 * Source: Beaulieu et al., "The Simon and Speck Families of Lightweight Block Ciphers", IACR 2013/404.
 */

const rounds = 27;
export const keyBytes = 16;

export class Speck {
  /** The result of the last call: the upper and the lower word. */
  high = 0;
  low = 0;
  readonly #roundKeys: Uint32Array;

  /** The key has `keyBytes` bytes: four words, little-endian, the first round key first. */
  constructor(key: Uint8Array) {
    this.#roundKeys = expand(key);
  }

  encrypt(high: number, low: number): void {
    const keys = this.#roundKeys;
    let x = high;
    let y = low;
    for (let i = 0; i < rounds; i++) {
      x = (((x >>> 8) | (x << 24)) + y) ^ (keys[i] as number);
      y = ((y << 3) | (y >>> 29)) ^ x;
    }
    this.high = x >>> 0;
    this.low = y >>> 0;
  }
}

function expand(key: Uint8Array): Uint32Array {
  if (key.length !== keyBytes) throw new Error(`a key has ${keyBytes} bytes, not ${key.length}`);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  let [k, ...rest] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [number, ...number[]];
  const roundKeys = new Uint32Array(rounds);
  for (let i = 0; i < rounds; i++) {
    roundKeys[i] = k;
    const word = rest.shift() as number;
    const next = ((((word >>> 8) | (word << 24)) + k) ^ i) >>> 0;
    rest = [...rest, next];
    k = (((k << 3) | (k >>> 29)) ^ next) >>> 0;
  }
  return roundKeys;
}
