/**
 * Why a message cannot go on. The members are names of refusals in the vocabulary above, so that a caller turns one into
 * a status without a table of its own: `typeof result === 'string' ? refusal(result) : result`.
 */

/**
 * `malformed`           not a protobuf message, or one that etcd's parser might read differently from ours;
 * `field-duplicate`     a field that is rewritten, or a oneof with one, stands twice;
 * `key-empty`           etcd requires a key here;
 * `operation-empty`     an operation of a transaction that names none;
 * `sort-option`         a sort order or target that no version of etcd knows;
 * `operations-nested`   transactions nested deeper than etcd can accept;
 * `namespace-violation` an answer holds a key outside of the namespace.
 */
export type WireFault =
  | 'malformed'
  | 'field-duplicate'
  | 'key-empty'
  | 'operation-empty'
  | 'sort-option'
  | 'operations-nested'
  | 'namespace-violation';
