import type { WireFault } from './fault.ts';
import type { MessageTable } from './fields.ts';

/** What a rewriter maps to and from. etcd's KeySpace is one. */
export interface Mapping {
  /** What every stored key begins with. Empty: the identity, messages are checked but not changed. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix. */
  readonly prefixEnd: Uint8Array;
  /** stored lease ID = tag × 2^31 + visible lease ID. */
  readonly leaseTag: number;
}

/** `apply` rewrites requests (visible → stored), `strip` rewrites answers (stored → visible). */
export type Direction = 'apply' | 'strip';

export class Rewriter {
  /** How many lease IDs of the last message had another tag. Each was shown as 0. The caller counts them. */
  foreignLeases = 0;

  /**
   * Returns `source` itself when nothing had to change, else a new buffer that nobody else holds. `source` is not
   * written to and not kept.
   */
  rewrite(_source: Uint8Array, _mapping: Mapping): Uint8Array | WireFault {
    throw new Error('not there yet');
  }
}

/** Compiles a table once into the rewriters of its messages, in one direction. */
export function compile<Name extends string>(
  _table: MessageTable & Record<Name, unknown>,
  _direction: Direction,
): { readonly [name in Name]: Rewriter } {
  throw new Error('not there yet');
}
