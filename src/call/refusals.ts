/**
 * The statuses this proxy originates. Codes and texts are etcd's own wherever etcd has one, because clients compare
 * whole messages (etcd api/v3rpc/rpctypes/error.go); the reason in our words goes into a trailer.
 */
import { Code, type Status, status } from '../grpc/status.ts';

/** Trailer that says that the proxy, not etcd, ended the call, and why. */
export const reasonTrailer = 'etcd-bulkhead-reason';

/** Trailer beside the reason of some refusals: what to do instead, in one sentence. */
export const hintTrailer = 'etcd-bulkhead-hint';

interface Refusal {
  readonly code: number;
  readonly text: string;
  /** When it happens, for docs/errors.md. */
  readonly when: string;
}

/** Every refusal of ours, under the name it has in the trailer, in logs and in metrics. docs/errors.md is made of it. */
export const refusals = {
  'key-empty': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: key is not provided',
    when: 'A key is empty where etcd wants one, also inside a transaction. With the prefix in front etcd could not see it.',
  },
  'lock-key-empty': {
    code: Code.UNKNOWN,
    text: 'etcdserver: key is not provided',
    when: 'A lock or a leader has an empty key. As etcd, whose lock and election services report every failure as Unknown.',
  },
  'operation-empty': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: key not found',
    when: 'An operation of a transaction has no body.',
  },
  'sort-option': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: invalid sort option',
    when: 'A range names a sort order or target that does not exist. It would end an etcd before 3.6.',
  },
  'alarm-option': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: no such action, or no alarm of that kind',
    when: 'The owner of the cluster asks for an alarm that does not exist. It would end every member.',
  },
  'operations-nested': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: too many operations in txn request',
    when: 'Transactions are nested deeper than etcd could accept.',
  },
  'lease-id-range': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: a lease ID must lie between 1 and 2147483647',
    when: 'A lease is granted with a chosen ID that cannot carry the namespace.',
  },
  'lease-exists': {
    code: Code.FAILED_PRECONDITION,
    text: 'etcdserver: lease already exists',
    when: 'No free lease ID was found in a bounded number of draws.',
  },
  compacted: {
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision has been compacted',
    when: 'A read or a compaction lies below what the tenant itself has compacted.',
  },
  'revision-future': {
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision is a future revision',
    when: 'A compaction names a revision that does not exist yet.',
  },
  'field-duplicate': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: a field that holds a key, a range or a lease stands twice in one message',
    when: 'No client library sends such a message; which of the two counts is a matter of the parser.',
  },
  malformed: {
    code: Code.INTERNAL,
    text: 'grpc: error unmarshalling request: malformed protobuf message',
    when: 'The request is not a protobuf message, or a field that is rewritten has the wrong type.',
  },
  'method-denied': {
    code: Code.PERMISSION_DENIED,
    text: 'etcdserver: permission denied',
    when: 'The method acts on the whole cluster, and the tenant does not own it. `etcd-bulkhead-hint` says what to do instead.',
  },
  'read-only': {
    code: Code.PERMISSION_DENIED,
    text: 'etcdserver: permission denied',
    when: 'The tenant may only read, and this would write; also for a transaction with a put or a delete in any branch.',
  },
  'tenant-unknown': {
    code: Code.PERMISSION_DENIED,
    text: 'etcdserver: permission denied',
    when: 'The connection belongs to no tenant, or the identity that was shown is that of none.',
  },
  'token-invalid': {
    code: Code.UNAUTHENTICATED,
    text: 'etcdserver: invalid auth token',
    when: 'A token was sent that is forged, expired or revoked, or where nobody is identified by one. Clients with a user authenticate again.',
  },
  'authentication-failed': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: authentication failed, invalid user ID or password',
    when: 'Authenticate names a user that does not exist, or has the wrong password.',
  },
  'authentication-off': {
    code: Code.FAILED_PRECONDITION,
    text: 'etcdserver: authentication is not enabled',
    when: 'Authenticate on a listener that does not identify by user. Clients then go on without a token.',
  },
  'authentication-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'More passwords or tokens wait to be verified than may.',
  },
  'tenant-changed': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: server stopped',
    when: 'A reload changed or removed the tenant of this stream, or the listener that the call came by; worded so that clients come again.',
  },
  'upstream-unauthenticated': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: unhealthy cluster',
    when: 'etcd does not accept the credentials of the proxy itself.',
  },
  'breaker-open': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: unhealthy cluster',
    when: 'Too many calls of this tenant and class have failed; the breaker is open. `grpc-retry-pushback-ms` says for how long.',
  },
  'upstream-lost': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: unhealthy cluster',
    when: 'No endpoint could be reached in time, or the connection broke under the call.',
  },
  'upstream-timeout': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: request timed out',
    when: 'The cluster did not answer within `--request-timeout`. What became of a write is unknown.',
  },
  'deadline-passed': {
    code: Code.DEADLINE_EXCEEDED,
    text: 'context deadline exceeded',
    when: "The client's own deadline has passed.",
  },
  draining: {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: server stopped',
    when: 'The proxy is shutting down.',
  },
  'watch-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'A stream holds as many watchers as it may. The create is refused; the stream lives on.',
  },
  'renewal-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'A keepalive stream has more than 1024 renewals unanswered that name leases which cannot exist.',
  },
  'namespace-violation': {
    code: Code.INTERNAL,
    text: 'etcd-bulkhead: a key outside of the namespace came back',
    when: 'An answer to a call carried a key of somebody else. It was not delivered; `etcd_bulkhead_namespace_violation_total` counts it.',
  },
  'stream-violation': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: unhealthy cluster',
    when: 'The same on a stream, worded so that clients resume.',
  },
  'proxy-fault': {
    code: Code.INTERNAL,
    text: 'etcd-bulkhead: internal error',
    when: 'A mistake in the proxy. The log has the details; no other call is touched.',
  },
} as const satisfies Record<string, Refusal>;

export type RefusalName = keyof typeof refusals;

const made = new Map<RefusalName, Status>();

/** The one status object of a refusal. Its origin is `proxy`. */
export function refusal(name: RefusalName): Status {
  let known = made.get(name);
  if (known === undefined) {
    known = refusalWith(name, []);
    made.set(name, known);
  }
  return known;
}

/** A refusal with further trailers, for example a pushback. */
export function refusalWith(name: RefusalName, trailers: readonly string[]): Status {
  const { code, text } = refusals[name];
  return status(code, text, 'proxy', [reasonTrailer, name, ...trailers]);
}

/** etcd's text for a lease ID that is taken: the only one on which another ID is drawn. */
export const leaseExistsText = refusals['lease-exists'].text;
