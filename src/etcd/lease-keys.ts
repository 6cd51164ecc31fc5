/** Derives the keys of lease IDs from the secret of the configuration and the namespaces. */
import { hash } from 'node:crypto';
import type { LeaseKeySource } from '../rewrite/lease-seal.ts';

const keyBytes = 16;

export class LeaseKeys implements LeaseKeySource {
  readonly #secretDigest: Buffer;

  /** An empty secret: the namespace alone determines its key. */
  constructor(secret: Uint8Array) {
    this.#secretDigest = hash('sha256', secret, 'buffer');
  }

  /**
   * The first 16 bytes of SHA-256 of the SHA-256 of the secret, followed by the namespace. This is an on-disk format: etcd holds
   * IDs that were made with it, so it must not change.
   */
  keyOf(namespace: Uint8Array): Uint8Array {
    const input = Buffer.concat([this.#secretDigest, namespace]);
    return hash('sha256', input, 'buffer').subarray(0, keyBytes);
  }

  equals(other: LeaseKeySource): boolean {
    return other instanceof LeaseKeys && this.#secretDigest.equals(other.#secretDigest);
  }
}
