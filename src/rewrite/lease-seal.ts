/**
 * The lease IDs of a namespace: a keyed permutation between visible IDs of 31 bits and stored IDs of 63 bits. It has no state, so
 * it survives restarts and is the same in every proxy that has the key. A stored ID belongs to the namespace if its 32 check
 * bits are right after decryption. So an ID of another namespace passes for an own one with probability 2^-32, independently for
 * each ID, and no choice of a name changes that without the key.
 *
 *   plain     0x01000000 (32 bits) | 0 (1 bit) | visible (31 bits)
 *   stored    Speck of it, encrypted again until the result is from 2^56 to 2^63 − 1
 *
 * Encrypting until the result is in the range ("cycle walking", Black and Rogaway 2002) makes a permutation of the 64-bit numbers
 * one of the range. On average it takes two blocks. Every ID in the range has a varint of nine bytes, and small IDs, which clients
 * that bypass the proxy choose, are outside.
 */
import { Speck } from './speck.ts';

/** The range of stored IDs: their upper 32 bits are from `highMin` to this. */
const highMax = 0x7fff_ffff;
/** The upper 32 bits of all plain IDs. The lowest value in the range. */
const highMin = 0x0100_0000;

/** What `open` returns for the ID of another namespace. */
export const foreignLease = -1;

/** Length of the varint of every stored ID: 63 bits in groups of seven. */
export const sealedLeaseBytes = 9;

export class LeaseSeal {
  readonly #cipher: Speck;
  readonly #key: Uint8Array;

  /** The key has 16 bytes. etcd/key-space.ts derives it from the namespace. */
  constructor(key: Uint8Array) {
    this.#cipher = new Speck(key);
    this.#key = Uint8Array.from(key);
  }

  /**
   * Writes the varint of the stored ID of a visible one and returns the offset after it. 0 is for an ID that is never granted, so
   * etcd responds that there is no such lease.
   */
  write(target: Uint8Array, offset: number, visible: number): number {
    this.#seal(visible);
    let { high, low } = this.#cipher;
    for (let at = offset; at < offset + sealedLeaseBytes - 1; at++) {
      target[at] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    target[offset + sealedLeaseBytes - 1] = low;
    return offset + sealedLeaseBytes;
  }

  /** The stored ID of a visible one, for code off the hot path. */
  sealed(visible: number): bigint {
    this.#seal(visible);
    const { high, low } = this.#cipher;
    return (BigInt(high) << 32n) | BigInt(low);
  }

  /** The visible ID of a stored one in two unsigned halves, 0 for the one that is never granted, or `foreignLease`. */
  open(high: number, low: number): number {
    if (!isInRange(high)) return foreignLease;
    const cipher = this.#cipher;
    cipher.decrypt(high, low);
    while (!isInRange(cipher.high)) cipher.decrypt(cipher.high, cipher.low);
    return cipher.high === highMin && cipher.low <= 0x7fff_ffff ? cipher.low : foreignLease;
  }

  /** Whether both map between the same IDs. */
  hasKeyOf(other: LeaseSeal): boolean {
    return Buffer.compare(this.#key, other.#key) === 0;
  }

  #seal(visible: number): void {
    const cipher = this.#cipher;
    cipher.encrypt(highMin, visible);
    while (!isInRange(cipher.high)) cipher.encrypt(cipher.high, cipher.low);
  }
}

function isInRange(high: number): boolean {
  return high >= highMin && high <= highMax;
}
