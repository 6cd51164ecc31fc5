/**
 * The one table that knows the API: every method of every service that etcd 3.4 to 3.7 serves, what becomes of it, and
 * how it behaves. A method that is not here is refused by the transport as Unimplemented, so a new RPC is a new row.
 */
import type { ServedMethod } from '../grpc/transport.ts';
import type { RequestName, ResponseName } from './fields.ts';

/**
 * `namespaced` keys and leases are rewritten, then it goes to the cluster;
 * `answered`   the proxy answers it itself, most often with a part of what the cluster says;
 * `refused`    PermissionDenied, because it acts on the whole cluster.
 */
export type Decision = 'namespaced' | 'answered' | 'refused';

/**
 * What it does to what is stored: a tenant with read-only access may only read. `either` depends on the request, and
 * admission/effect.ts looks.
 */
export type Effect = 'reads' | 'writes' | 'either';

/** Which breaker judges it. One per tenant and class, never per method. */
export type BreakerClass = 'read' | 'write' | 'lease' | 'watch' | 'admin';

/** Whether a call that may have reached the cluster may be sent again. */
export type Retry = 'safe' | 'never';

interface Row {
  readonly request: RequestName;
  readonly response: ResponseName;
  readonly streams?: 'response' | 'both';
  readonly decision: Decision;
  readonly effect: Effect;
  readonly breaker: BreakerClass;
  readonly retry: Retry;
  /** Its answer may wait for what other clients do, or for work that grows with the store: it has no time limit of ours. */
  readonly waits?: true;
  /** etcd reports its own failures as Unknown here, with the text that they have elsewhere. */
  readonly failsAsUnknown?: true;
  /** The cluster's owner may call it as it is, whatever becomes of it for other tenants. */
  readonly owner?: true;
  /** For who is refused: what to do instead. ASCII, since it travels in a trailer. */
  readonly hint?: string;
}

const read = { effect: 'reads', breaker: 'read', retry: 'safe' } as const;
const write = { effect: 'writes', breaker: 'write', retry: 'never' } as const;
const lease = { breaker: 'lease', retry: 'never' } as const;
const admin = { breaker: 'admin', retry: 'never' } as const;
const namespaced = { decision: 'namespaced' } as const;
const session = { ...namespaced, failsAsUnknown: true } as const;
const answered = { decision: 'answered' } as const;
const refused = { ...admin, effect: 'writes', decision: 'refused' } as const;

const membersHint = 'only the owner of the cluster changes its members';
const maintenanceHint = 'maintenance of the whole cluster is for its owner';
const authHint = 'users and roles of the cluster are managed directly at etcd';
const forOwner = { ...refused, owner: true, hint: maintenanceHint } as const;

/** A row whose messages carry nothing that is rewritten here. */
const plain = { request: 'Plain', response: 'Plain' } as const;

// biome-ignore format: a table, one method per row
export const rows = {
  'etcdserverpb.KV/Range': { request: 'RangeRequest', response: 'RangeResponse', ...namespaced, ...read },
  'etcdserverpb.KV/RangeStream': { request: 'RangeRequest', response: 'RangeStreamResponse', streams: 'response', ...namespaced, ...read, retry: 'never' },
  'etcdserverpb.KV/Put': { request: 'PutRequest', response: 'PutResponse', ...namespaced, ...write },
  'etcdserverpb.KV/DeleteRange': { request: 'DeleteRangeRequest', response: 'DeleteRangeResponse', ...namespaced, ...write },
  'etcdserverpb.KV/Txn': { request: 'TxnRequest', response: 'TxnResponse', ...namespaced, ...write, effect: 'either' },
  // Virtual: moves the tenant's floor by one read, see namespace/compaction/compact.ts. Only the owner compacts the store, and may ask to wait for it.
  'etcdserverpb.KV/Compact': { ...plain, ...answered, ...write, waits: true, owner: true },

  'etcdserverpb.Watch/Watch': { request: 'WatchRequest', response: 'WatchResponse', streams: 'both', ...namespaced, effect: 'reads', breaker: 'watch', retry: 'never' },

  // Repeatable in clientv3's eyes, but a replay would leak a lease.
  'etcdserverpb.Lease/LeaseGrant': { request: 'LeaseGrantRequest', response: 'LeaseGrantResponse', ...namespaced, ...lease, effect: 'writes' },
  'etcdserverpb.Lease/LeaseRevoke': { request: 'LeaseRevokeRequest', response: 'Plain', ...namespaced, ...lease, effect: 'writes' },
  'etcdserverpb.Lease/LeaseKeepAlive': { request: 'LeaseKeepAliveRequest', response: 'LeaseKeepAliveResponse', streams: 'both', ...namespaced, ...lease, effect: 'writes' },
  'etcdserverpb.Lease/LeaseTimeToLive': { request: 'LeaseTimeToLiveRequest', response: 'LeaseTimeToLiveResponse', ...namespaced, ...lease, effect: 'reads', retry: 'safe' },
  'etcdserverpb.Lease/LeaseLeases': { request: 'Plain', response: 'LeaseLeasesResponse', ...namespaced, ...lease, effect: 'reads', retry: 'safe' },

  // Forwarded for its header; the members are replaced by the proxy itself, see namespace/cluster/member-list.ts.
  'etcdserverpb.Cluster/MemberList': { ...plain, ...answered, ...read, owner: true },
  'etcdserverpb.Cluster/MemberAdd': { ...plain, ...forOwner, hint: membersHint },
  'etcdserverpb.Cluster/MemberRemove': { ...plain, ...forOwner, hint: membersHint },
  'etcdserverpb.Cluster/MemberUpdate': { ...plain, ...forOwner, hint: membersHint },
  'etcdserverpb.Cluster/MemberPromote': { ...plain, ...forOwner, hint: membersHint },

  // Forwarded; what tells of other tenants is left out, see namespace/cluster/status.ts and namespace/cluster/alarm.ts.
  'etcdserverpb.Maintenance/Status': { ...plain, ...answered, ...read, owner: true },
  'etcdserverpb.Maintenance/Alarm': { ...plain, ...answered, ...admin, effect: 'either', owner: true, hint: 'alarms are raised and disarmed by the owner of the cluster; GET is for everybody' },
  'etcdserverpb.Maintenance/Defragment': { ...plain, ...forOwner, waits: true },
  'etcdserverpb.Maintenance/Hash': { ...plain, ...forOwner, effect: 'reads' },
  'etcdserverpb.Maintenance/HashKV': { ...plain, ...forOwner, effect: 'reads' },
  'etcdserverpb.Maintenance/Snapshot': { ...plain, streams: 'response', ...forOwner, effect: 'reads', hint: 'a snapshot holds the keys of every tenant; read your own with ranges, or take it as the owner of the cluster' },
  'etcdserverpb.Maintenance/MoveLeader': { ...plain, ...forOwner },
  'etcdserverpb.Maintenance/Downgrade': { ...plain, ...forOwner },

  'etcdserverpb.Auth/AuthEnable': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/AuthDisable': { ...plain, ...refused, hint: authHint },
  // By the listener: for its own users, or by etcd where clients' credentials are passed on. See identity/authenticate.ts.
  'etcdserverpb.Auth/AuthStatus': { ...plain, ...answered, ...admin, effect: 'reads' },
  'etcdserverpb.Auth/Authenticate': { ...plain, ...answered, ...admin, effect: 'reads' },
  'etcdserverpb.Auth/UserAdd': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/UserGet': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/UserList': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/UserDelete': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/UserChangePassword': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/UserGrantRole': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/UserRevokeRole': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/RoleAdd': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/RoleGet': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/RoleList': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/RoleDelete': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/RoleGrantPermission': { ...plain, ...refused, hint: authHint },
  'etcdserverpb.Auth/RoleRevokePermission': { ...plain, ...refused, hint: authHint },

  // The call waits for its turn, which other clients decide. Leases, see namespace/leases/session.ts.
  'v3lockpb.Lock/Lock': { request: 'LockRequest', response: 'LockResponse', ...session, ...write, waits: true },
  'v3lockpb.Lock/Unlock': { request: 'UnlockRequest', response: 'Plain', ...session, ...write },

  'v3electionpb.Election/Campaign': { request: 'CampaignRequest', response: 'CampaignResponse', ...session, ...write, waits: true },
  'v3electionpb.Election/Proclaim': { request: 'ProclaimRequest', response: 'Plain', ...session, ...write },
  'v3electionpb.Election/Leader': { request: 'LeaderRequest', response: 'LeaderResponse', ...session, ...read },
  'v3electionpb.Election/Observe': { request: 'LeaderRequest', response: 'LeaderResponse', streams: 'response', ...session, effect: 'reads', breaker: 'watch', retry: 'never', waits: true },
  'v3electionpb.Election/Resign': { request: 'ResignRequest', response: 'Plain', ...session, ...write },

  // The state of this process, see lifecycle/health.ts.
  'grpc.health.v1.Health/Check': { ...plain, ...answered, ...admin, effect: 'reads' },
  'grpc.health.v1.Health/Watch': { ...plain, streams: 'response', ...answered, ...admin, effect: 'reads' },
} as const satisfies Record<string, Row>;

export type MethodName = keyof typeof rows;

/** A row of the table as the layers use it. One object per method for the life of the process: compare by identity. */
export interface Method extends ServedMethod {
  readonly name: MethodName;
  /** For example `etcdserverpb.KV`. */
  readonly service: string;
  /** For example `Range`. */
  readonly rpc: string;
  /** Dense, from 0: an index into tables of counters and rewriters. */
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
  /** Empty where there is nothing to say. */
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
    owner: row.owner === true,
    hint: row.hint ?? '',
  };
}

/** All methods, `methods[m.index] === m`. */
export const methods: readonly Method[] = Object.entries<Row>(rows).map(toMethod);

/** What a tenant that is declared the cluster's owner may call, all of it or a part. */
export const ownerMethods: ReadonlySet<MethodName> = new Set(
  methods.filter((m) => m.owner).map((m) => m.name),
);

export const methodsByPath: ReadonlyMap<string, Method> = new Map(methods.map((m) => [m.path, m]));

/** The method of that name. Throws for one that is not in the table: names are compile-time constants. */
export function method(name: MethodName): Method {
  const found = methodsByPath.get(`/${name}`);
  if (found === undefined) throw new Error(`no method ${name}`);
  return found;
}
