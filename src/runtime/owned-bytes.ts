/**
 * Ownership of bytes as a type. A plain `Uint8Array` is shared: immutable, possibly queued on many connections. `OwnedBytes`
 * have exactly one holder, which may rewrite them in place and release their memory. Passing owned bytes where shared ones
 * are expected gives the ownership up; the reverse does not compile.
 */

declare const owned: unique symbol;

export type OwnedBytes = Uint8Array & { readonly [owned]: true };

/** Declares that the caller holds the only reference to `bytes` and to the memory they lie in. */
export function asOwned(bytes: Uint8Array): OwnedBytes {
  return bytes as OwnedBytes;
}
