/**
 * Which requests lead to a new lease, and where the requests of locks and elections name theirs: if they name none, the call
 * grants one.
 */
import { Reader } from '../protobuf/reader.ts';
import { type FieldFault, replaceVarintField, varintField } from '../protobuf/varint-field.ts';
import { Writer } from '../protobuf/writer.ts';
import type { OwnedBytes } from '../runtime/owned-bytes.ts';
import { type Method, type MethodName, methods } from './methods.ts';

/** Where a request names the lease of its session. */
export interface LeasePlace {
  /** Null if the request has no session. etcd rejects it then. */
  read(request: Uint8Array): bigint | null | FieldFault;
  write(request: Uint8Array, id: bigint): OwnedBytes | FieldFault;
}

/** LockRequest and CampaignRequest. */
export const leaseOfRequest: LeasePlace = {
  read: (request) => varintField(request, 2),
  write: (request, id) => replaceVarintField(request, 2, id),
};

/** ProclaimRequest: in its LeaderKey. */
export const leaseOfLeader: LeasePlace = {
  read(request) {
    const leader = leaderOf(request);
    return leader === null ? null : varintField(leader, 4);
  },
  write(request, id) {
    const written = new Writer();
    const reader = new Reader(request);
    while (reader.next()) {
      if (reader.field !== 1) {
        written.raw(reader.raw());
        continue;
      }
      const leader = replaceVarintField(reader.bytes(), 4, id);
      if (typeof leader === 'string') return leader;
      written.message(1, leader);
    }
    return written.finish();
  },
};

function leaderOf(request: Uint8Array): Uint8Array | null {
  const reader = new Reader(request);
  let leader: Uint8Array | null = null;
  while (reader.next()) if (reader.field === 1) leader = reader.bytes();
  return leader;
}

const grants: { readonly [name in MethodName]?: (request: Uint8Array) => boolean } = {
  'etcdserverpb.Lease/LeaseGrant': () => true,
  'v3lockpb.Lock/Lock': (request) => leaseOfRequest.read(request) === 0n,
  'v3electionpb.Election/Campaign': (request) => leaseOfRequest.read(request) === 0n,
  'v3electionpb.Election/Proclaim': (request) => leaseOfLeader.read(request) === 0n,
};
const grantsByIndex = methods.map(({ name }) => grants[name] ?? null);

/** Whether the call grants a lease if it succeeds. False for a request that is not a valid message. */
export function grantsLease(method: Method, request: Uint8Array): boolean {
  return grantsByIndex[method.index]?.(request) ?? false;
}
