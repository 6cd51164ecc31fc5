/**
 * The language in which the places of keys, range ends and lease IDs are described. The tables themselves are the
 * API's, one folder up; wire/ knows only what a kind of field means, never which message it stands in.
 */

/**
 * What stands at a field number, and what becomes of it in a request (→) or in an answer (←):
 * `key`          → must not be empty, gets the prefix; ← must carry the prefix, loses it;
 * `keyOrFirst`   → as `key`, but empty or absent means `\0`, the first key there is;
 * `listedKey`    ← as `key`, but one outside of the namespace is left out, with its field;
 * `rangeEnd`     → gets the prefix; empty stays empty, the single byte `\0` becomes the end of the namespace;
 * `lease`        a lease ID, 0 for none: visible ↔ stored; ← a foreign one becomes 0;
 * `leaseName`    → as `lease`, but 0 and absence name a lease that does not exist;
 * `leaseOperand` → as `lease`, but saturating, so that comparisons keep their results;
 * `listedLease`  ← as `lease`, but a foreign one is left out, with the message around it;
 * `enumMax`      → an enum with the values 0 to this;
 * `one`, `each`  a message of that name, singular or repeated;
 * `nested`       as `one`, and one level deeper in a recursion that `nestingMax` bounds.
 */
export type FieldRule =
  | 'key'
  | 'keyOrFirst'
  | 'listedKey'
  | 'rangeEnd'
  | 'lease'
  | 'leaseName'
  | 'leaseOperand'
  | 'listedLease'
  | { readonly enumMax: number }
  | { readonly one: string }
  | { readonly each: string }
  | { readonly nested: string };

export interface MessageRule {
  /** By field number, 1 to `fieldNumberMax`. A field that is not here passes through unchanged. */
  readonly fields: { readonly [number: number]: FieldRule };
  /** All members of the oneof that holds rewritten fields: at most one of them may stand in a message. */
  readonly oneof?: readonly number[];
  /** Set: a request in which no member of `oneof` stands is refused as `operation-empty`. */
  readonly oneofRequired?: true;
}

/** Message name → rule. Names in `one`, `each` and `nested` must be keys of the same table. */
export type MessageTable = { readonly [message: string]: MessageRule };

/** The highest field number that a table may name: the compiled form is an array. etcd's highest is 64, Compare.range_end. */
export const fieldNumberMax = 127;

/**
 * How deep `nested` messages may stand in one another. etcd takes 128 operations per transaction by default and each
 * level uses one up, so the 128th level can only be empty and a 129th cannot exist (checkTxnRequest in etcd's
 * server/etcdserver/api/v3rpc/key.go).
 */
export const nestingMax = 128;
