/**
 * The table of the API: every method that etcd 3.4 to 3.7 serves, what the proxy does with it, and its properties. Transports
 * reject other methods as Unimplemented, so a new RPC needs a row here.
 */
import type { ServedMethod } from '../grpc/transport.ts';
import type { RequestName, ResponseName } from './fields.ts';

/**
 * `namespaced` forwarded, with keys and lease IDs rewritten;
 * `local`      handled by the proxy, in most cases with a part of the cluster's response;
 * `rejected`   PermissionDenied, because it acts on the whole cluster.
 */
export type Decision = 'namespaced' | 'local' | 'rejected';

/** Whether it writes. Tenants with read-only access may only read. `either`: admission/effect.ts inspects the request. */
export type Effect = 'reads' | 'writes' | 'either';

/** The class of its breaker. There is a breaker per tenant and class. */
export type BreakerClass = (typeof breakerClasses)[number];
export const breakerClasses = ['read', 'write', 'lease', 'watch', 'admin'] as const;

/** Whether a call that may have reached the cluster may be retried. */
export type Retry = 'safe' | 'never';

interface Row {
  readonly request: RequestName;
  readonly response: ResponseName;
  readonly streams?: 'response' | 'both';
  readonly decision: Decision;
  readonly effect: Effect;
  readonly breaker: BreakerClass;
  readonly retry: Retry;
  /** Its response may depend on other clients, or on work that grows with the store. The proxy sets no request timeout. */
  readonly waits?: true;
  /** etcd reports errors of this method as Unknown, with the usual texts. */
  readonly failsAsUnknown?: true;
  /**
   * The owner of the cluster may call it unchanged, whatever the decision. `unprefixed`: only if its namespace is empty, because the
   * message names keys as etcd holds them.
   */
  readonly owner?: true | 'unprefixed';
  /** What to do instead if the call is rejected. ASCII, because it is sent in a trailer. */
  readonly hint?: string;
}

const read = { effect: 'reads', breaker: 'read', retry: 'safe' } as const;
const write = { effect: 'writes', breaker: 'write', retry: 'never' } as const;
const lease = { breaker: 'lease', retry: 'never' } as const;
const admin = { breaker: 'admin', retry: 'never' } as const;
const namespaced = { decision: 'namespaced' } as const;
const session = { ...namespaced, failsAsUnknown: true } as const;
const local = { decision: 'local' } as const;
const rejected = { ...admin, effect: 'writes', decision: 'rejected' } as const;

const membersHint = 'only the owner of the cluster can change its members';
const maintenanceHint = 'only the owner of the cluster can maintain it';
const authHint = 'manage users and roles as the owner of the cluster, without a namespace';
const users = { ...rejected, owner: 'unprefixed', hint: authHint } as const;
const forOwner = { ...rejected, owner: true, hint: maintenanceHint } as const;

/** Messages without rewritten fields. */
const plain = { request: 'Plain', response: 'Plain' } as const;

// biome-ignore format: a table, one method per row
export const rows = {
  'etcdserverpb.KV/Range': { request: 'RangeRequest', response: 'RangeResponse', ...namespaced, ...read },
  'etcdserverpb.KV/RangeStream': { request: 'RangeRequest', response: 'RangeStreamResponse', streams: 'response', ...namespaced, ...read, retry: 'never' },
  'etcdserverpb.KV/Put': { request: 'PutRequest', response: 'PutResponse', ...namespaced, ...write },
  'etcdserverpb.KV/DeleteRange': { request: 'DeleteRangeRequest', response: 'DeleteRangeResponse', ...namespaced, ...write },
  'etcdserverpb.KV/Txn': { request: 'TxnRequest', response: 'TxnResponse', ...namespaced, ...write, effect: 'either' },
  // Virtual: raises the tenant's compaction floor, see namespace/compaction/compact.ts. The owner's compacts the store, and can wait for it.
  'etcdserverpb.KV/Compact': { request: 'CompactionRequest', response: 'Plain', ...local, ...write, waits: true, owner: true },

  'etcdserverpb.Watch/Watch': { request: 'WatchRequest', response: 'WatchResponse', streams: 'both', ...namespaced, effect: 'reads', breaker: 'watch', retry: 'never' },

  // clientv3 considers it repeatable, but a retry would leak a lease.
  'etcdserverpb.Lease/LeaseGrant': { request: 'LeaseGrantRequest', response: 'LeaseGrantResponse', ...namespaced, ...lease, effect: 'writes' },
  'etcdserverpb.Lease/LeaseRevoke': { request: 'LeaseRevokeRequest', response: 'Plain', ...namespaced, ...lease, effect: 'writes' },
  'etcdserverpb.Lease/LeaseKeepAlive': { request: 'LeaseKeepAliveRequest', response: 'LeaseKeepAliveResponse', streams: 'both', ...namespaced, ...lease, effect: 'writes' },
  'etcdserverpb.Lease/LeaseTimeToLive': { request: 'LeaseTimeToLiveRequest', response: 'LeaseTimeToLiveResponse', ...namespaced, ...lease, effect: 'reads', retry: 'safe' },
  'etcdserverpb.Lease/LeaseLeases': { request: 'LeaseLeasesRequest', response: 'LeaseLeasesResponse', ...namespaced, ...lease, effect: 'reads', retry: 'safe' },

  // Forwarded for its header. The proxy replaces the members with itself, see namespace/cluster/member-list.ts.
  'etcdserverpb.Cluster/MemberList': { request: 'MemberListRequest', response: 'Plain', ...local, ...read, owner: true },
  'etcdserverpb.Cluster/MemberAdd': { ...plain, ...forOwner, hint: membersHint },
  'etcdserverpb.Cluster/MemberRemove': { ...plain, ...forOwner, hint: membersHint },
  'etcdserverpb.Cluster/MemberUpdate': { ...plain, ...forOwner, hint: membersHint },
  'etcdserverpb.Cluster/MemberPromote': { ...plain, ...forOwner, hint: membersHint },

  // Forwarded, without data about other tenants, see namespace/cluster/member-status.ts and namespace/cluster/alarm.ts.
  'etcdserverpb.Maintenance/Status': { request: 'StatusRequest', response: 'Plain', ...local, ...read, owner: true },
  'etcdserverpb.Maintenance/Alarm': { request: 'AlarmRequest', response: 'Plain', ...local, ...admin, effect: 'either', owner: true, hint: 'only the owner of the cluster can raise and disarm alarms; every tenant can list them' },
  'etcdserverpb.Maintenance/Defragment': { ...plain, ...forOwner, waits: true },
  'etcdserverpb.Maintenance/Hash': { ...plain, ...forOwner, effect: 'reads' },
  'etcdserverpb.Maintenance/HashKV': { ...plain, ...forOwner, effect: 'reads' },
  'etcdserverpb.Maintenance/Snapshot': { ...plain, streams: 'response', ...forOwner, effect: 'reads', hint: 'a snapshot contains the keys of every tenant; read your keys with ranges, or take the snapshot as the owner of the cluster' },
  'etcdserverpb.Maintenance/MoveLeader': { ...plain, ...forOwner },
  'etcdserverpb.Maintenance/Downgrade': { ...plain, ...forOwner },

  'etcdserverpb.Auth/AuthEnable': { ...plain, ...users },
  'etcdserverpb.Auth/AuthDisable': { ...plain, ...users },
  // Handled for the users of the listener, or forwarded if the listener passes credentials on. See identity/authenticate.ts.
  'etcdserverpb.Auth/AuthStatus': { request: 'AuthStatusRequest', response: 'Plain', ...local, ...admin, effect: 'reads' },
  'etcdserverpb.Auth/Authenticate': { request: 'AuthenticateRequest', response: 'Plain', ...local, ...admin, effect: 'reads' },
  'etcdserverpb.Auth/UserAdd': { ...plain, ...users },
  'etcdserverpb.Auth/UserGet': { ...plain, ...users },
  'etcdserverpb.Auth/UserList': { ...plain, ...users },
  'etcdserverpb.Auth/UserDelete': { ...plain, ...users },
  'etcdserverpb.Auth/UserChangePassword': { ...plain, ...users },
  'etcdserverpb.Auth/UserGrantRole': { ...plain, ...users },
  'etcdserverpb.Auth/UserRevokeRole': { ...plain, ...users },
  'etcdserverpb.Auth/RoleAdd': { ...plain, ...users },
  'etcdserverpb.Auth/RoleGet': { ...plain, ...users },
  'etcdserverpb.Auth/RoleList': { ...plain, ...users },
  'etcdserverpb.Auth/RoleDelete': { ...plain, ...users },
  'etcdserverpb.Auth/RoleGrantPermission': { ...plain, ...users },
  'etcdserverpb.Auth/RoleRevokePermission': { ...plain, ...users },

  // The call waits for other clients. For leases see namespace/leases/session.ts.
  'v3lockpb.Lock/Lock': { request: 'LockRequest', response: 'LockResponse', ...session, ...write, waits: true },
  'v3lockpb.Lock/Unlock': { request: 'UnlockRequest', response: 'Plain', ...session, ...write },

  'v3electionpb.Election/Campaign': { request: 'CampaignRequest', response: 'CampaignResponse', ...session, ...write, waits: true },
  'v3electionpb.Election/Proclaim': { request: 'ProclaimRequest', response: 'Plain', ...session, ...write },
  'v3electionpb.Election/Leader': { request: 'LeaderRequest', response: 'LeaderResponse', ...session, ...read },
  'v3electionpb.Election/Observe': { request: 'LeaderRequest', response: 'LeaderResponse', streams: 'response', ...session, effect: 'reads', breaker: 'watch', retry: 'never', waits: true },
  'v3electionpb.Election/Resign': { request: 'ResignRequest', response: 'Plain', ...session, ...write },

  // The state of this process, see lifecycle/health.ts.
  'grpc.health.v1.Health/Check': { ...plain, ...local, ...admin, effect: 'reads' },
  'grpc.health.v1.Health/Watch': { ...plain, streams: 'response', ...local, ...admin, effect: 'reads' },
} as const satisfies Record<string, Row>;

export type MethodName = keyof typeof rows;

/** A row of the table with its name. One object per method: compare by identity. */
export interface Method extends ServedMethod {
  readonly name: MethodName;
  /** For example `etcdserverpb.KV`. */
  readonly service: string;
  /** For example `Range`. */
  readonly rpc: string;
  /** From 0 without gaps: the index into arrays of counters and rewriters. */
  readonly index: number;
  readonly request: RequestName;
  readonly response: ResponseName;
  readonly decision: Decision;
  readonly effect: Effect;
  readonly breaker: BreakerClass;
  readonly retry: Retry;
  readonly waits: boolean;
  readonly failsAsUnknown: boolean;
  readonly owner: boolean;
  /** Empty without an alternative. */
  readonly hint: string;
}

function toMethod([name, row]: [string, Row], index: number): Method {
  const slash = name.indexOf('/');
  return {
    name: name as MethodName,
    path: `/${name}`,
    service: name.slice(0, slash),
    rpc: name.slice(slash + 1),
    index,
    request: row.request,
    response: row.response,
    requestStream: row.streams === 'both',
    responseStream: row.streams !== undefined,
    decision: row.decision,
    effect: row.effect,
    breaker: row.breaker,
    retry: row.retry,
    waits: row.waits === true,
    failsAsUnknown: row.failsAsUnknown === true,
    owner: row.owner !== undefined,
    hint: row.hint ?? '',
  };
}

/** All methods, `methods[m.index] === m`. */
export const methods: readonly Method[] = Object.entries<Row>(rows).map(toMethod);

/** The methods that the owner of the cluster may call unchanged. The configuration can limit them further. */
export const ownerMethods: ReadonlySet<MethodName> = new Set(
  methods.filter((m) => m.owner).map((m) => m.name),
);

/** Those of them that require an empty namespace. */
export const unprefixedMethods: ReadonlySet<MethodName> = new Set(
  methods.filter(({ name }) => (rows[name] as Row).owner === 'unprefixed').map((m) => m.name),
);

export const methodsByPath: ReadonlyMap<string, Method> = new Map(methods.map((m) => [m.path, m]));

/** The method with this name. */
export function method(name: MethodName): Method {
  const found = methodsByPath.get(`/${name}`);
  if (found === undefined) throw new Error(`no method ${name}`);
  return found;
}
