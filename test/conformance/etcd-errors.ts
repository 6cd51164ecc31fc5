/**
 * Codes and texts as etcd sends them, written down here a second time on purpose: the proxy's own table must not be able to
 * vouch for itself. Source: api/v3rpc/rpctypes/error.go of etcd.
 */
import { Code } from '../../src/grpc/status.ts';
import type { TargetKind } from '../support/target.ts';
import { differing } from './differences.ts';

export interface EtcdError {
  readonly code: number;
  readonly details: string;
}

export const etcdErrors = {
  keyNotProvided: { code: Code.INVALID_ARGUMENT, details: 'etcdserver: key is not provided' },
  keyNotFound: { code: Code.INVALID_ARGUMENT, details: 'etcdserver: key not found' },
  valueProvided: { code: Code.INVALID_ARGUMENT, details: 'etcdserver: value is provided' },
  leaseProvided: { code: Code.INVALID_ARGUMENT, details: 'etcdserver: lease is provided' },
  tooManyOps: {
    code: Code.INVALID_ARGUMENT,
    details: 'etcdserver: too many operations in txn request',
  },
  duplicateKey: {
    code: Code.INVALID_ARGUMENT,
    details: 'etcdserver: duplicate key given in txn request',
  },
  invalidSort: { code: Code.INVALID_ARGUMENT, details: 'etcdserver: invalid sort option' },
  tooLarge: { code: Code.INVALID_ARGUMENT, details: 'etcdserver: request is too large' },
  compacted: {
    code: Code.OUT_OF_RANGE,
    details: 'etcdserver: mvcc: required revision has been compacted',
  },
  futureRevision: {
    code: Code.OUT_OF_RANGE,
    details: 'etcdserver: mvcc: required revision is a future revision',
  },
  leaseNotFound: { code: Code.NOT_FOUND, details: 'etcdserver: requested lease not found' },
  leaseExists: { code: Code.FAILED_PRECONDITION, details: 'etcdserver: lease already exists' },
  leaseTtlTooLarge: { code: Code.OUT_OF_RANGE, details: 'etcdserver: too large lease TTL' },
  noSpace: {
    code: Code.RESOURCE_EXHAUSTED,
    details: 'etcdserver: mvcc: database space exceeded',
  },
  permissionDenied: { code: Code.PERMISSION_DENIED, details: 'etcdserver: permission denied' },
  invalidAuthToken: { code: Code.UNAUTHENTICATED, details: 'etcdserver: invalid auth token' },
} as const satisfies Record<string, EtcdError>;

/** The error for a message of 3 MB. Its exact size does not matter. */
export function messageTooLarge(kind: TargetKind): RegExp {
  return differing(kind, 'library-texts', {
    etcd: /^grpc: received message larger than max \(30000\d\d vs\. 2097152\)$/,
    instead: /^Received message larger than max \(30000\d\d vs 2097152\)$/,
  });
}
