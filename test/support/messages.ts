/**
 * The messages of the API as tests write and read them: types only. Requests name only what they set. Responses have
 * every field: 64-bit integers as decimal strings, enums by name, bytes as Buffers, absent messages as null.
 */

/** A 64-bit integer on its way out. */
export type Int64 = number | string;
export type Bytes = Uint8Array;

export interface Header {
  readonly cluster_id: string;
  readonly member_id: string;
  readonly revision: string;
  readonly raft_term: string;
}

interface Headed {
  readonly header: Header | null;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly value: Buffer;
  readonly lease: string;
}

export interface Event {
  readonly type: 'PUT' | 'DELETE';
  readonly kv: KeyValue;
  readonly prev_kv: KeyValue | null;
}

export interface RangeRequest {
  key?: Bytes;
  range_end?: Bytes;
  limit?: Int64;
  revision?: Int64;
  sort_order?: 'NONE' | 'ASCEND' | 'DESCEND' | number;
  sort_target?: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | number;
  serializable?: boolean;
  keys_only?: boolean;
  count_only?: boolean;
  min_mod_revision?: Int64;
  max_mod_revision?: Int64;
  min_create_revision?: Int64;
  max_create_revision?: Int64;
}

export interface RangeResponse extends Headed {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: string;
}

/** One piece of a range. Header, `more` and `count` are in the last one only. */
export interface RangeStreamResponse {
  readonly range_response: RangeResponse;
}

export interface PutRequest {
  key?: Bytes;
  value?: Bytes;
  lease?: Int64;
  prev_kv?: boolean;
  ignore_value?: boolean;
  ignore_lease?: boolean;
}

export interface PutResponse extends Headed {
  readonly prev_kv: KeyValue | null;
}

export interface DeleteRangeRequest {
  key?: Bytes;
  range_end?: Bytes;
  prev_kv?: boolean;
}

export interface DeleteRangeResponse extends Headed {
  readonly deleted: string;
  readonly prev_kvs: readonly KeyValue[];
}

/** At most one member is set. */
export interface RequestOp {
  request_range?: RangeRequest;
  request_put?: PutRequest;
  request_delete_range?: DeleteRangeRequest;
  request_txn?: TxnRequest;
}

/** `response` names the member that is set. */
export interface ResponseOp {
  readonly response: string;
  readonly response_range?: RangeResponse;
  readonly response_put?: PutResponse;
  readonly response_delete_range?: DeleteRangeResponse;
  readonly response_txn?: TxnResponse;
}

export interface Compare {
  result?: 'EQUAL' | 'GREATER' | 'LESS' | 'NOT_EQUAL';
  target?: 'VERSION' | 'CREATE' | 'MOD' | 'VALUE' | 'LEASE';
  key?: Bytes;
  version?: Int64;
  create_revision?: Int64;
  mod_revision?: Int64;
  value?: Bytes;
  lease?: Int64;
  range_end?: Bytes;
}

export interface TxnRequest {
  compare?: readonly Compare[];
  success?: readonly RequestOp[];
  failure?: readonly RequestOp[];
}

export interface TxnResponse extends Headed {
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export interface CompactionRequest {
  revision?: Int64;
  physical?: boolean;
}

export interface WatchCreateRequest {
  key?: Bytes;
  range_end?: Bytes;
  start_revision?: Int64;
  progress_notify?: boolean;
  filters?: readonly ('NOPUT' | 'NODELETE')[];
  prev_kv?: boolean;
  watch_id?: Int64;
  fragment?: boolean;
}

export interface WatchRequest {
  create_request?: WatchCreateRequest;
  cancel_request?: { watch_id?: Int64 };
  progress_request?: object;
}

export interface WatchResponse extends Headed {
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly Event[];
}

export interface LeaseGrantResponse extends Headed {
  readonly ID: string;
  readonly TTL: string;
  readonly error: string;
}

export interface LeaseKeepAliveRequest {
  ID?: Int64;
}

export interface LeaseKeepAliveResponse extends Headed {
  readonly ID: string;
  readonly TTL: string;
}

export interface LeaseTimeToLiveResponse extends Headed {
  readonly ID: string;
  readonly TTL: string;
  readonly grantedTTL: string;
  readonly keys: readonly Buffer[];
}

export interface LeaseLeasesResponse extends Headed {
  readonly leases: readonly { readonly ID: string }[];
}

export interface Member {
  readonly ID: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

export type AlarmType = 'NONE' | 'NOSPACE' | 'CORRUPT';

export interface StatusResponse extends Headed {
  readonly isLearner: boolean;
  readonly version: string;
  readonly dbSize: string;
  readonly leader: string;
  readonly raftIndex: string;
  readonly raftTerm: string;
  readonly raftAppliedIndex: string;
  readonly errors: readonly string[];
  readonly dbSizeInUse: string;
}

export interface LeaderKey {
  name?: Bytes;
  key?: Bytes;
  rev?: Int64;
  lease?: Int64;
}

export interface CampaignResponse extends Headed {
  readonly leader: {
    readonly name: Buffer;
    readonly key: Buffer;
    readonly rev: string;
    readonly lease: string;
  } | null;
}

export interface LeaderResponse extends Headed {
  readonly kv: KeyValue | null;
}

export interface HealthResponse {
  readonly status: 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';
}

/** The unary methods that tests call: request and response. */
export interface UnaryMethods {
  'etcdserverpb.KV/Range': [RangeRequest, RangeResponse];
  'etcdserverpb.KV/Put': [PutRequest, PutResponse];
  'etcdserverpb.KV/DeleteRange': [DeleteRangeRequest, DeleteRangeResponse];
  'etcdserverpb.KV/Txn': [TxnRequest, TxnResponse];
  'etcdserverpb.KV/Compact': [CompactionRequest, Headed];
  'etcdserverpb.Lease/LeaseGrant': [{ TTL?: Int64; ID?: Int64 }, LeaseGrantResponse];
  'etcdserverpb.Lease/LeaseRevoke': [{ ID?: Int64 }, Headed];
  'etcdserverpb.Lease/LeaseTimeToLive': [{ ID?: Int64; keys?: boolean }, LeaseTimeToLiveResponse];
  'etcdserverpb.Lease/LeaseLeases': [object, LeaseLeasesResponse];
  'etcdserverpb.Auth/AuthStatus': [
    object,
    Headed & { readonly enabled: boolean; readonly authRevision: string },
  ];
  'etcdserverpb.Cluster/MemberList': [
    { linearizable?: boolean },
    Headed & { readonly members: readonly Member[] },
  ];
  'etcdserverpb.Cluster/MemberAdd': [
    { peerURLs?: readonly string[]; isLearner?: boolean },
    Headed & { readonly member: Member | null },
  ];
  'etcdserverpb.Cluster/MemberPromote': [{ ID?: Int64 }, Headed];
  'etcdserverpb.Maintenance/Status': [object, StatusResponse];
  'etcdserverpb.Maintenance/Alarm': [
    { action?: 'GET' | 'ACTIVATE' | 'DEACTIVATE'; memberID?: Int64; alarm?: AlarmType },
    { readonly alarms: readonly { readonly memberID: string; readonly alarm: AlarmType }[] },
  ];
  'etcdserverpb.Maintenance/MoveLeader': [{ targetID?: Int64 }, Headed];
  'etcdserverpb.Maintenance/HashKV': [{ revision?: Int64 }, Headed & { readonly hash: number }];
  'etcdserverpb.Maintenance/Defragment': [object, Headed];
  'etcdserverpb.Auth/UserList': [object, Headed & { readonly users: readonly string[] }];
  'v3lockpb.Lock/Lock': [{ name?: Bytes; lease?: Int64 }, Headed & { readonly key: Buffer }];
  'v3lockpb.Lock/Unlock': [{ key?: Bytes }, Headed];
  'v3electionpb.Election/Campaign': [
    { name?: Bytes; lease?: Int64; value?: Bytes },
    CampaignResponse,
  ];
  'v3electionpb.Election/Proclaim': [{ leader?: LeaderKey; value?: Bytes }, Headed];
  'v3electionpb.Election/Leader': [{ name?: Bytes }, LeaderResponse];
  'v3electionpb.Election/Resign': [{ leader?: LeaderKey }, Headed];
  'grpc.health.v1.Health/Check': [{ service?: string }, HealthResponse];
}

/** The streams that tests open. */
export interface StreamMethods {
  'etcdserverpb.KV/RangeStream': [RangeRequest, RangeStreamResponse];
  'etcdserverpb.Watch/Watch': [WatchRequest, WatchResponse];
  'etcdserverpb.Lease/LeaseKeepAlive': [LeaseKeepAliveRequest, LeaseKeepAliveResponse];
  'v3electionpb.Election/Observe': [{ name?: Bytes }, LeaderResponse];
}
