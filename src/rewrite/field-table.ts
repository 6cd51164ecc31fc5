/**
 * The types of the field tables, which describe where messages contain keys, range ends and lease IDs. The tables are in
 * etcd/fields.ts; this folder knows only what a kind of field means.
 */

/**
 * What a request contains at a field number, and how it is rewritten:
 * `key`          must not be empty, gets the prefix;
 * `keyOrFirst`   gets the prefix; empty or absent means `\0`, the first possible key;
 * `name`         gets the prefix, also if empty or absent: etcd appends to it to form keys;
 * `rangeEnd`     gets the prefix; an empty one is removed, the single byte `\0` becomes the end of the namespace;
 * `lease`        visible lease ID → stored; 0 means no lease and is unchanged;
 * `leaseName`    as `lease`, but 0 or an absent field names a lease that does not exist;
 * `leaseOperand` as `lease`, but saturating, so that comparisons keep their results;
 * `enumMax`      an enum with the values 0 to this (at most 255); other values are the fault `sort-option`.
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
 * What a response contains at a field number, and how it is rewritten:
 * `key`         must have the prefix, loses it;
 * `listedKey`   as `key`, but the field is removed if the key is outside of the namespace;
 * `lease`       stored lease ID → visible; a foreign one becomes 0, which means no lease;
 * `listedLease` as `lease`, but the enclosing message is removed if the ID is foreign.
 */
export type ResponseRule = 'key' | 'listedKey' | 'lease' | 'listedLease' | MessageRule;

/** A message by name: singular (`one`), repeated (`each`), or singular and recursive up to `nestingMax` (`nested`). */
export type MessageRule =
  | { readonly one: string }
  | { readonly each: string }
  | { readonly nested: string };

export interface MessageFields<Rule> {
  /** By field number, 1 to `fieldNumberMax`. Other fields pass through unchanged, if they may pass at all. */
  readonly fields: { readonly [number: number]: Rule };
  /**
   * The other fields that etcd knows. In a request, a field that is neither here nor in `fields` is the fault `field-unknown`:
   * a later etcd may read it as a key. In a response, every other field passes.
   */
  readonly plain?: readonly number[];
  /** All members of the oneof that contains rewritten fields. At most one of them may occur. */
  readonly oneof?: readonly number[];
  /** If set, a request without a member of `oneof` is the fault `operation-empty`. */
  readonly oneofRequired?: true;
}

/** Message name → fields. Names in message rules must be keys of the same table. */
export type RequestTable = { readonly [message: string]: MessageFields<RequestRule> };
export type ResponseTable = { readonly [message: string]: MessageFields<ResponseRule> };

/** The highest field number in a table. It bounds the compiled arrays. The highest in use is 64, Compare.range_end. */
export const fieldNumberMax = 127;

/**
 * How deep `nested` messages may be nested. etcd accepts 128 operations per transaction by default and each level uses one,
 * so the 128th level can only be empty and a 129th cannot exist (checkTxnRequest in etcd's
 * server/etcdserver/api/v3rpc/key.go).
 */
export const nestingMax = 128;
