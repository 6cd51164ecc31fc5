/**
 * The fields of the API that contain keys, range ends and lease IDs, by message and field number, and the other fields that
 * requests may have. rewrite/ compiles these tables into rewriters once, at start-up.
 * Numbers: etcd api/etcdserverpb/rpc.proto, api/mvccpb/kv.proto,
 * server/etcdserver/api/v3lock/v3lockpb/v3lock.proto, server/etcdserver/api/v3election/v3electionpb/v3election.proto.
 */
import type { RequestTable, ResponseTable } from '../rewrite/field-table.ts';

/** Visible → stored. */
export const requests = {
  /** Requests of methods that only the owner of the cluster may call, or that the proxy handles alone. They are not rewritten. */
  Plain: { fields: {} },

  RangeRequest: {
    // 5 and 6 are sort_order and sort_target. A member of etcd up to 3.5 crashes on an unknown target.
    fields: { 1: 'key', 2: 'rangeEnd', 5: { enumMax: 2 }, 6: { enumMax: 4 } },
    plain: [3, 4, 7, 8, 9, 10, 11, 12, 13],
  },
  PutRequest: { fields: { 1: 'key', 3: 'lease' }, plain: [2, 4, 5, 6] },
  DeleteRangeRequest: { fields: { 1: 'key', 2: 'rangeEnd' }, plain: [3] },
  TxnRequest: {
    fields: { 1: { each: 'Compare' }, 2: { each: 'RequestOp' }, 3: { each: 'RequestOp' } },
  },
  Compare: {
    fields: { 3: 'key', 8: 'leaseOperand', 64: 'rangeEnd' },
    plain: [1, 2, 4, 5, 6, 7],
    // version, create_revision, mod_revision, value, lease
    oneof: [4, 5, 6, 7, 8],
  },
  RequestOp: {
    fields: {
      1: { one: 'RangeRequest' },
      2: { one: 'PutRequest' },
      3: { one: 'DeleteRangeRequest' },
      4: { nested: 'TxnRequest' },
    },
    oneof: [1, 2, 3, 4],
    oneofRequired: true,
  },

  WatchRequest: {
    fields: {
      1: { one: 'WatchCreateRequest' },
      2: { one: 'WatchCancelRequest' },
      3: { one: 'WatchProgressRequest' },
    },
    // create_request, cancel_request, progress_request
    oneof: [1, 2, 3],
  },
  WatchCreateRequest: { fields: { 1: 'keyOrFirst', 2: 'rangeEnd' }, plain: [3, 4, 5, 6, 7, 8] },
  WatchCancelRequest: { fields: {}, plain: [1] },
  WatchProgressRequest: { fields: {} },

  // namespace/leases/grant.ts sets the ID, because it depends on more than the message: the proxy draws an ID for 0.
  LeaseGrantRequest: { fields: {}, plain: [1, 2] },
  LeaseRevokeRequest: { fields: { 1: 'leaseName' } },
  LeaseKeepAliveRequest: { fields: { 1: 'leaseName' } },
  LeaseTimeToLiveRequest: { fields: { 1: 'leaseName' }, plain: [2] },
  LeaseLeasesRequest: { fields: {} },

  // For a lease of 0 etcd would grant one outside the namespace, so namespace/leases/session.ts grants a lease first.
  LockRequest: { fields: { 1: 'name', 2: 'lease' } },
  UnlockRequest: { fields: { 1: 'key' } },
  CampaignRequest: { fields: { 1: 'name', 2: 'lease' }, plain: [3] },
  ProclaimRequest: { fields: { 1: { one: 'LeaderKey' } }, plain: [2] },
  LeaderKey: { fields: { 1: 'name', 2: 'key', 4: 'lease' }, plain: [3] },
  LeaderRequest: { fields: { 1: 'name' } },
  ResignRequest: { fields: { 1: { one: 'ResignedKey' } } },
  // A LeaderKey of a lease that is not needed. With the ID of a lease that cannot exist, etcd does not grant one.
  ResignedKey: { fields: { 1: 'name', 2: 'key', 4: 'leaseName' }, plain: [3] },

  CompactionRequest: { fields: {}, plain: [1, 2] },
  MemberListRequest: { fields: {}, plain: [1] },
  StatusRequest: { fields: {} },
  AlarmRequest: { fields: {}, plain: [1, 2, 3] },
  AuthStatusRequest: { fields: {} },
  AuthenticateRequest: { fields: {}, plain: [1, 2] },
} as const satisfies RequestTable;

/** Stored → visible. */
export const responses = {
  Plain: { fields: {} },

  KeyValue: { fields: { 1: 'key', 6: 'lease' } },
  RangeResponse: { fields: { 2: { each: 'KeyValue' } } },
  RangeStreamResponse: { fields: { 1: { one: 'RangeResponse' } } },
  PutResponse: { fields: { 2: { one: 'KeyValue' } } },
  DeleteRangeResponse: { fields: { 3: { each: 'KeyValue' } } },
  TxnResponse: { fields: { 3: { each: 'ResponseOp' } } },
  ResponseOp: {
    fields: {
      1: { one: 'RangeResponse' },
      2: { one: 'PutResponse' },
      3: { one: 'DeleteRangeResponse' },
      4: { nested: 'TxnResponse' },
    },
    oneof: [1, 2, 3, 4],
  },

  WatchResponse: { fields: { 11: { each: 'Event' } } },
  Event: { fields: { 2: { one: 'KeyValue' }, 3: { one: 'KeyValue' } } },

  LeaseGrantResponse: { fields: { 2: 'lease' } },
  LeaseKeepAliveResponse: { fields: { 2: 'lease' } },
  LeaseTimeToLiveResponse: { fields: { 2: 'lease', 5: 'listedKey' } },
  LeaseLeasesResponse: { fields: { 2: { each: 'LeaseStatus' } } },
  LeaseStatus: { fields: { 1: 'listedLease' } },

  LockResponse: { fields: { 2: 'key' } },
  CampaignResponse: { fields: { 2: { one: 'LeaderKey' } } },
  LeaderKey: { fields: { 1: 'key', 2: 'key', 4: 'lease' } },
  LeaderResponse: { fields: { 2: { one: 'KeyValue' } } },
} as const satisfies ResponseTable;

export type RequestName = keyof typeof requests;
export type ResponseName = keyof typeof responses;
