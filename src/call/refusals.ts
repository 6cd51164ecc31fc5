/**
 * The statuses that the proxy originates. Codes and texts are etcd's own wherever etcd would say the same, because clients compare
 * whole texts (etcd api/v3rpc/rpctypes/error.go). For what a client of etcd sees as an error of its connection, the text is not in
 * etcd's table: clientv3 turns texts of the table into errors of its own, from which `status.Code` reads Unknown, and programs that
 * retry on Unavailable would not. The reason goes into a trailer.
 */
import { Code, type Status, status } from '../grpc/status.ts';

/** Trailer with the reason. Its presence means that the proxy and not etcd ended the call. */
export const reasonTrailer = 'etcd-bulkhead-reason';

/** Trailer of some refusals: what to do instead, in one sentence. */
export const hintTrailer = 'etcd-bulkhead-hint';

interface Refusal {
  readonly code: number;
  readonly text: string;
  /** The cause, for docs/errors.md. */
  readonly when: string;
}

/** By the name that trailers, logs and metrics use. docs/errors.md is generated from this table. */
export const refusals = {
  'key-empty': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: key is not provided',
    when: 'A key is empty where etcd requires one, also inside a transaction. etcd could not detect this: the key arrives there with the prefix.',
  },
  'lock-key-empty': {
    code: Code.UNKNOWN,
    text: 'etcdserver: key is not provided',
    when: 'A lock or an election has an empty key. The lock and election services of etcd report every failure as Unknown.',
  },
  'operation-empty': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: key not found',
    when: 'An operation of a transaction has no body.',
  },
  'sort-option': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: invalid sort option',
    when: 'A range request has an unknown sort order or sort target. etcd before 3.6 crashes on an unknown target.',
  },
  'alarm-option': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: unknown alarm action or alarm type',
    when: 'The owner of the cluster sends an unknown alarm action or type, or activates an alarm without a type. Members can crash on such a request.',
  },
  'operations-nested': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: too many operations in txn request',
    when: 'Transactions are nested deeper than etcd can accept.',
  },
  'lease-id-range': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: a lease ID must be between 1 and 2147483647',
    when: 'LeaseGrant chooses an ID that does not fit into the namespace.',
  },
  'lease-exists': {
    code: Code.FAILED_PRECONDITION,
    text: 'etcdserver: lease already exists',
    when: 'No free lease ID was found within a bounded number of random draws.',
  },
  compacted: {
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision has been compacted',
    when: "A read or a compaction is below the tenant's compaction floor.",
  },
  'revision-future': {
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision is a future revision',
    when: 'A compaction names a revision that does not exist yet.',
  },
  'field-duplicate': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: a field with a key, a range or a lease ID occurs more than once in one message',
    when: 'A singular field that the proxy rewrites occurs more than once. Parsers differ in which occurrence counts; client libraries do not send such messages.',
  },
  'field-unknown': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: the request contains a field that this version does not know',
    when: 'A request of a tenant with a namespace contains a field that is not in the API of etcd 3.4 to 3.7. A later etcd may read it as a key. The text ends with the message and the field number. `--pass-unknown-fields` passes such fields.',
  },
  malformed: {
    code: Code.INTERNAL,
    text: 'grpc: error unmarshalling request: malformed protobuf message',
    when: 'The request is not a valid protobuf message, or a field that the proxy rewrites has the wrong wire type.',
  },
  'method-denied': {
    code: Code.PERMISSION_DENIED,
    text: 'etcdserver: permission denied',
    when: 'The method acts on the whole cluster, and the tenant does not own the cluster. The trailer `etcd-bulkhead-hint` contains an alternative.',
  },
  'read-only': {
    code: Code.PERMISSION_DENIED,
    text: 'etcdserver: permission denied',
    when: 'The tenant has read-only access and the request writes. A transaction writes if any branch contains a put or a delete.',
  },
  'tenant-unknown': {
    code: Code.PERMISSION_DENIED,
    text: 'etcdserver: permission denied',
    when: 'The identity that the client presented does not map to exactly one tenant; or the client presented none, and the listener has no tenant.',
  },
  'token-invalid': {
    code: Code.UNAUTHENTICATED,
    text: 'etcdserver: invalid auth token',
    when: 'The token is forged, expired or revoked, or the listener does not identify clients by token. Client libraries that have a user name authenticate again.',
  },
  'authentication-failed': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: authentication failed, invalid user ID or password',
    when: 'Authenticate with an unknown user or a wrong password.',
  },
  'authentication-off': {
    code: Code.FAILED_PRECONDITION,
    text: 'etcdserver: authentication is not enabled',
    when: 'Authenticate on a listener that does not identify clients by user. Client libraries continue without a token.',
  },
  'authentication-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'Too many passwords or tokens are waiting for verification, or too many sessions are open.',
  },
  'tenant-changed': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: server stopped',
    when: 'A reload changed or removed the tenant or the listener of the call. The text makes client libraries reconnect.',
  },
  'upstream-unauthenticated': {
    code: Code.UNAVAILABLE,
    text: 'etcd-bulkhead: etcd rejects the credentials of the proxy',
    when: 'etcd rejects the credentials of the proxy.',
  },
  'breaker-open': {
    code: Code.UNAVAILABLE,
    text: 'etcd-bulkhead: the circuit breaker is open',
    when: 'The breaker is open: too many calls of this tenant and breaker class failed. The trailer `grpc-retry-pushback-ms` contains the remaining time.',
  },
  'upstream-lost': {
    code: Code.UNAVAILABLE,
    text: 'etcd-bulkhead: no connection to etcd, or it was lost',
    when: 'No endpoint could be reached in time, or the connection was lost during the call.',
  },
  'upstream-timeout': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: request timed out',
    when: 'The cluster did not respond within `--request-timeout`. The outcome of a write is unknown.',
  },
  'response-malformed': {
    code: Code.INTERNAL,
    text: 'etcd-bulkhead: the response is not a valid message',
    when: 'A response of etcd cannot be written as JSON, because it is not a message of the API.',
  },
  'body-timeout': {
    code: Code.DEADLINE_EXCEEDED,
    text: 'etcd-bulkhead: the body of the request is incomplete',
    when: 'The body of a JSON request did not arrive within 30 s.',
  },
  'deadline-passed': {
    code: Code.DEADLINE_EXCEEDED,
    text: 'context deadline exceeded',
    when: 'The deadline that the client set has expired.',
  },
  draining: {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: server stopped',
    when: 'The proxy is shutting down.',
  },
  'watch-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'The stream has as many watchers as it may have, or the tenant or the process as many as `--max-open-watches` or `--max-total-open-watches` permits. The response to the create is cancelled with this text; the stream continues.',
  },
  'call-rate-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'The tenant starts more calls than `--max-calls-per-second` and `--max-call-burst` permit, or all tenants together more than `--max-total-calls-per-second`. The trailer `grpc-retry-pushback-ms` contains 1000.',
  },
  'open-calls-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'As many unary calls are open as `--max-open-calls` permits the tenant, or `--max-total-open-calls` all tenants together.',
  },
  'open-streams-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'As many streams and waiting calls (Lock, Campaign) are open as `--max-open-streams` permits the tenant, or `--max-total-open-streams` all tenants together.',
  },
  'lease-rate-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'The tenant grants more leases than `--max-leases-per-minute` permits. A lock or an election that names no lease grants one. The trailer `grpc-retry-pushback-ms` contains 1000.',
  },
  'message-too-large': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'grpc: received message larger than max',
    when: "The message is larger than the tenant's `max-request-bytes` plus 512 KiB. The text ends with both sizes, as that of a listener for a message above its own limit.",
  },
  'connection-limit': {
    code: Code.UNAVAILABLE,
    text: 'etcd-bulkhead: too many connections',
    when: 'The process has as many client connections as `--max-connections` permits, and no tenant has more of them than the tenant of this connection. The connection stays open; a later call on it may be accepted.',
  },
  'in-flight-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'As many calls as `--max-in-flight` permits are at etcd, and the call has waited for its turn for 5 s, or too many calls are waiting. Tenants take turns.',
  },
  'read-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'The response is expected to be large, and the call has waited for its turn for as long as it may: until its deadline or for `--request-timeout`. Large reads share `--max-read-bytes`, and tenants take turns. Also if too many of them wait.',
  },
  'stream-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'The members limit the streams of a connection (`--max-concurrent-streams`), and all of up to 16 connections per endpoint are full for a second.',
  },
  'renewal-limit': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'A keepalive stream has more than 1024 renewals in flight for lease IDs that cannot exist, as many that wait until the keys of their leases have been read, or sends a request of more than 1 KiB on a shared stream.',
  },
  'namespace-violation': {
    code: Code.INTERNAL,
    text: 'etcd-bulkhead: the response contains a key outside of the namespace',
    when: "A response contained a key outside of the tenant's namespace. It was not delivered; `etcd_bulkhead_namespace_violation_total` counts it.",
  },
  'stream-violation': {
    code: Code.UNAVAILABLE,
    text: 'etcd-bulkhead: the stream was interrupted',
    when: 'As `namespace-violation`, on a stream. The code makes client libraries resume.',
  },
  'message-memory': {
    code: Code.RESOURCE_EXHAUSTED,
    text: 'etcdserver: too many requests',
    when: 'The message does not fit into `--message-memory`, or its client did not read a large response in time. A response that was sent in part is reset with ENHANCE_YOUR_CALM, which gRPC libraries show as ResourceExhausted, too. A JSON client also gets it for a response above 256 MiB.',
  },
  'proxy-fault': {
    code: Code.INTERNAL,
    text: 'etcd-bulkhead: internal error',
    when: 'A bug in the proxy. The log has the details. Other calls are not affected.',
  },
} as const satisfies Record<string, Refusal>;

export type RefusalName = keyof typeof refusals;

const statuses = new Map<RefusalName, Status>();

/** The status of a refusal; always the same object. Its origin is `proxy`. */
export function refusal(name: RefusalName): Status {
  let made = statuses.get(name);
  if (made === undefined) {
    made = refusalWith(name, []);
    statuses.set(name, made);
  }
  return made;
}

/** The status with additional trailers, for example a pushback. */
export function refusalWith(name: RefusalName, trailers: readonly string[]): Status {
  const { code, text } = refusals[name];
  return status(code, text, 'proxy', [reasonTrailer, name, ...trailers]);
}

/** etcd's text for a lease ID that is in use. Only this text makes the proxy draw another ID. */
export const leaseExistsText = refusals['lease-exists'].text;
