/** Why a message was not rewritten. Each member is the name of a refusal: call/refusals.ts has its code and text. */

/**
 * `malformed`           not a protobuf message, or etcd's parsers might read it differently;
 * `field-duplicate`     a singular field that is rewritten occurs twice, or two members of its oneof do;
 * `field-unknown`       a request contains a field that the tables do not know;
 * `key-empty`           etcd requires a key here;
 * `operation-empty`     an operation of a transaction has no body;
 * `sort-option`         a sort order or sort target that etcd does not have;
 * `operations-nested`   transactions are nested deeper than etcd can accept;
 * `namespace-violation` a response contains a key outside of the namespace.
 */
export type RewriteFault =
  | 'malformed'
  | 'field-duplicate'
  | 'field-unknown'
  | 'key-empty'
  | 'operation-empty'
  | 'sort-option'
  | 'operations-nested'
  | 'namespace-violation';
