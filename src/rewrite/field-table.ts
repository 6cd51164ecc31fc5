/**
 * The language in which the places of keys, range ends and lease IDs are described. The tables themselves are the
 * API's, one folder up; wire/ knows only what a kind of field means, never which message it stands in.
 */

/**
 * What a request holds at a field number, and what becomes of it:
 * `key`          must not be empty, gets the prefix;
 * `keyOrFirst`   gets the prefix; empty or absent it means `\0`, the first key there is;
 * `name`         gets the prefix, also where it is empty or absent: what is named continues it by itself;
 * `rangeEnd`     gets the prefix; empty is left out, the single byte `\0` becomes the end of the namespace;
 * `lease`        visible lease ID → stored; 0 means none and stays;
 * `leaseName`    as `lease`, but 0 and absence name a lease that does not exist;
 * `leaseOperand` as `lease`, but saturating, so that comparisons keep their results;
 * `enumMax`      an enum with the values 0 to this (at most 255); others are refused as `sort-option`.
 */
export type RequestRule =
  | 'key'
  | 'keyOrFirst'
  | 'name'
  | 'rangeEnd'
  | 'lease'
  | 'leaseName'
  | 'leaseOperand'
  | { readonly enumMax: number }
  | MessageRule;

/**
 * What a response holds at a field number, and what becomes of it:
 * `key`         must carry the prefix, loses it;
 * `listedKey`   as `key`, but one outside of the namespace is left out, with its field;
 * `lease`       stored lease ID → visible; a foreign one becomes 0, which means none;
 * `listedLease` as `lease`, but a foreign one is left out, with the message around it.
 */
export type ResponseRule = 'key' | 'listedKey' | 'lease' | 'listedLease' | MessageRule;

/**
 * A message of that name: singular (`one`), repeated (`each`), or singular and one level deeper in a recursion that
 * `nestingMax` bounds (`nested`).
 */
export type MessageRule =
  | { readonly one: string }
  | { readonly each: string }
  | { readonly nested: string };

export interface MessageFields<Rule> {
  /** By field number, 1 to `fieldNumberMax`. A field that is not here passes through unchanged. */
  readonly fields: { readonly [number: number]: Rule };
  /** All members of the oneof that holds rewritten fields: at most one of them may stand in a message. */
  readonly oneof?: readonly number[];
  /** Set: a request in which no member of `oneof` stands is refused as `operation-empty`. */
  readonly oneofRequired?: true;
}

/** Message name → its fields. Names in message rules must be keys of the same table. */
export type RequestTable = { readonly [message: string]: MessageFields<RequestRule> };
export type ResponseTable = { readonly [message: string]: MessageFields<ResponseRule> };

/** The highest field number that a table may name: the compiled form is an array. etcd's is 64, Compare.range_end. */
export const fieldNumberMax = 127;

/**
 * How deep `nested` messages may stand in one another. etcd takes 128 operations per transaction by default and each
 * level uses one up, so the 128th level can only be empty and a 129th cannot exist (checkTxnRequest in etcd's
 * server/etcdserver/api/v3rpc/key.go).
 */
export const nestingMax = 128;
