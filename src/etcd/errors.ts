/**
 * The statuses this proxy originates. Codes and texts are etcd's own wherever etcd has one, because clients compare
 * whole messages (etcd api/v3rpc/rpctypes/error.go); the reason in our words goes into a trailer.
 */
import { Code, type Status, status } from '../grpc/status.ts';

/** Trailer that says that the proxy, not etcd, ended the call, and why. */
export const reasonTrailer = 'etcd-bulkhead-reason';

/** Every refusal of ours: what the client sees, and the name it has in the trailer, in logs and in metrics. */
export const refusals = {
  'key-empty': { code: Code.INVALID_ARGUMENT, text: 'etcdserver: key is not provided' },
  'operation-empty': { code: Code.INVALID_ARGUMENT, text: 'etcdserver: key not found' },
  'sort-option': { code: Code.INVALID_ARGUMENT, text: 'etcdserver: invalid sort option' },
  'operations-nested': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcdserver: too many operations in txn request',
  },
  'lease-id-range': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: a lease ID must lie between 1 and 2147483647',
  },
  'lease-exists': {
    code: Code.FAILED_PRECONDITION,
    text: 'etcdserver: lease already exists',
  },
  compacted: {
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision has been compacted',
  },
  'revision-future': {
    code: Code.OUT_OF_RANGE,
    text: 'etcdserver: mvcc: required revision is a future revision',
  },
  'field-duplicate': {
    code: Code.INVALID_ARGUMENT,
    text: 'etcd-bulkhead: a field that holds a key, a range or a lease stands twice in one message',
  },
  malformed: {
    code: Code.INTERNAL,
    text: 'grpc: error unmarshalling request: malformed protobuf message',
  },
  'method-denied': { code: Code.PERMISSION_DENIED, text: 'etcdserver: permission denied' },
  'tenant-unknown': { code: Code.PERMISSION_DENIED, text: 'etcdserver: permission denied' },
  'breaker-open': { code: Code.UNAVAILABLE, text: 'etcdserver: unhealthy cluster' },
  'upstream-lost': { code: Code.UNAVAILABLE, text: 'etcdserver: unhealthy cluster' },
  'upstream-timeout': { code: Code.UNAVAILABLE, text: 'etcdserver: request timed out' },
  'deadline-passed': { code: Code.DEADLINE_EXCEEDED, text: 'context deadline exceeded' },
  draining: { code: Code.UNAVAILABLE, text: 'etcdserver: server stopped' },
  'namespace-violation': {
    code: Code.INTERNAL,
    text: 'etcd-bulkhead: a key outside of the namespace came back',
  },
  'stream-violation': {
    code: Code.UNAVAILABLE,
    text: 'etcdserver: unhealthy cluster',
  },
  'proxy-fault': { code: Code.INTERNAL, text: 'etcd-bulkhead: internal error' },
} as const satisfies Record<string, { readonly code: number; readonly text: string }>;

export type RefusalName = keyof typeof refusals;

const made = new Map<RefusalName, Status>();

/** The one status object of a refusal. `origin` is always `proxy`. */
export function refusal(name: RefusalName): Status {
  let known = made.get(name);
  if (known === undefined) {
    const { code, text } = refusals[name];
    known = status(code, text, 'proxy', [reasonTrailer, name]);
    made.set(name, known);
  }
  return known;
}

/** A refusal with trailers of its own, for example a pushback; the reason trailer is added. */
export function refusalWith(name: RefusalName, trailers: readonly string[]): Status {
  const { code, text } = refusals[name];
  return status(code, text, 'proxy', [reasonTrailer, name, ...trailers]);
}

/** etcd's text for a lease ID that is taken: the only one on which another ID is drawn. */
export const leaseExistsText = refusals['lease-exists'].text;
