/** The keys of the source and of the destination: the same names under two prefixes. */
import type { KeyRange } from '../../../etcd/key-range.ts';
import { after, namespaceRange } from '../range.ts';

export class MirroredNames {
  readonly source: Buffer;
  readonly destination: Buffer;
  readonly #positionKey: Uint8Array;

  constructor(source: Buffer, destination: Buffer, positionKey: Uint8Array) {
    this.source = source;
    this.destination = destination;
    this.#positionKey = positionKey;
  }

  /** The key at the destination for a key of the source. Null: it is never mirrored. */
  targetOf(key: Uint8Array): Buffer | null {
    const target = Buffer.concat([this.destination, key.subarray(this.source.length)]);
    // Without a namespace, a key of the source can be equal to its own prefix.
    return target.length === 0 || this.isPosition(target) ? null : target;
  }

  /** Whether the key of the destination is the position of the mirror. It belongs to neither side of a comparison. */
  isPosition(target: Uint8Array): boolean {
    return Buffer.compare(target, this.#positionKey) === 0;
  }

  /** The keys of a namespace behind a key without its prefix; all of them for null. */
  rest(namespace: Buffer, lastKey: Uint8Array | null): KeyRange {
    const range = namespaceRange(namespace);
    if (lastKey === null) return range;
    return { key: after(Buffer.concat([namespace, lastKey])), end: range.end };
  }
}
