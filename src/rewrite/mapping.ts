/** The key space that a rewriter maps to and from. */
import type { LeaseSeal } from './lease-seal.ts';

export interface Mapping {
  /** Prefix of every stored key. If empty, messages are checked and not changed. */
  readonly prefix: Uint8Array;
  /** The first key after all keys with the prefix. Replaces the range end `\0`. */
  readonly prefixEnd: Uint8Array;
  /** Between visible and stored lease IDs. */
  readonly leases: LeaseSeal;
  /** Whether lease IDs are mapped. False for an empty prefix. If false, clients have the lease IDs of the cluster. */
  readonly mapsLeases: boolean;
  /** Whether requests may contain fields that the tables do not know. If false, they are the fault `field-unknown`. */
  readonly passesUnknownFields: boolean;
}
