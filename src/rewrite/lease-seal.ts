/**
 * The lease IDs of a namespace. The visible ID is the upper half of the stored one, and the lower half is a check value: a keyed
 * pseudorandom function of the visible ID. The mapping has no state, so it survives restarts and is the same in every proxy that
 * has the key, and it keeps the order of IDs. An ID of another namespace passes for an own one with probability 2^-32,
 * independently for each ID, and without the key no choice of a name changes that.
 *
 *   stored    0 (1 bit) | visible (31 bits) | check value (32 bits)
 */
import { varintBytes } from '../protobuf/varint.ts';
import { Speck } from './speck.ts';

/** What `open` returns for the ID of another namespace. */
export const foreignLease = -1;

/** The lower half of a stored ID, in bits. */
const checkBits = 32;

/** Where the key comes from. One object for all namespaces of a process, so that thousands of them cost no memory. */
export interface LeaseKeySource {
  /** The key of a namespace: 16 bytes. */
  keyOf(namespace: Uint8Array): Uint8Array;
  /** Whether the other source has the same keys. */
  equals(other: LeaseKeySource): boolean;
}

export class LeaseSeal {
  readonly #namespace: Uint8Array;
  readonly #keys: LeaseKeySource;
  /** Made at the first use: most of many tenants are not active. */
  #cipher: Speck | null = null;

  constructor(namespace: Uint8Array, keys: LeaseKeySource) {
    this.#namespace = namespace;
    this.#keys = keys;
  }

  /** Length of the varint that `write` writes. */
  bytes(visible: number): number {
    if (visible === 0) return varintBytes(this.#check(0));
    const bits = checkBits + 32 - Math.clz32(visible);
    return Math.ceil(bits / 7);
  }

  /**
   * Writes the varint of the stored ID of a visible one and returns the offset after it. 0 is for an ID that is never granted, so
   * etcd responds that the lease does not exist.
   */
  write(target: Uint8Array, offset: number, visible: number): number {
    let low = this.#check(visible);
    let high = visible;
    let at = offset;
    while (high > 0 || low > 0x7f) {
      target[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    target[at++] = low;
    return at;
  }

  /** The stored ID of a visible one, for code off the hot path. */
  stored(visible: number): bigint {
    return (BigInt(visible) << BigInt(checkBits)) | BigInt(this.#check(visible));
  }

  /** The visible ID of a stored one in two unsigned halves, 0 for the one that is never granted, or `foreignLease`. */
  open(high: number, low: number): number {
    return high <= 0x7fff_ffff && this.#check(high) === low ? high : foreignLease;
  }

  /** Whether both map between the same IDs. */
  hasKeyOf(other: LeaseSeal): boolean {
    return (
      Buffer.compare(this.#namespace, other.#namespace) === 0 && this.#keys.equals(other.#keys)
    );
  }

  #check(visible: number): number {
    this.#cipher ??= new Speck(this.#keys.keyOf(this.#namespace));
    this.#cipher.encrypt(0, visible);
    return this.#cipher.low;
  }
}
