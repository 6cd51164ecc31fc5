/**
 * The one table that knows the API: every method of every service that etcd 3.4 to 3.7 serves, what becomes of it, and
 * how it behaves. A method that is not here is refused by the transport as Unimplemented, so a new RPC is a new row.
 */
import type { ServedMethod } from '../grpc/transport.ts';
import type { RequestName, ResponseName } from './fields.ts';

/**
 * `namespaced` keys and leases are rewritten, then it goes to the cluster;
 * `passed`     goes to the cluster as it is, since it names neither keys nor leases;
 * `answered`   the proxy answers it itself;
 * `refused`    PermissionDenied, because it acts on the whole cluster.
 */
export type Decision = 'namespaced' | 'passed' | 'answered' | 'refused';

/** Which breaker judges it. One per tenant and class, never per method. */
export type BreakerClass = 'read' | 'write' | 'lease' | 'watch' | 'admin';

/** Whether a call that may have reached the cluster may be sent again. */
export type Retry = 'safe' | 'never';

interface Row {
  readonly request: RequestName;
  readonly response: ResponseName;
  readonly streams?: 'response' | 'both';
  readonly decision: Decision;
  readonly breaker: BreakerClass;
  readonly retry: Retry;
}

const read = { breaker: 'read', retry: 'safe' } as const;
const write = { breaker: 'write', retry: 'never' } as const;
const admin = { breaker: 'admin', retry: 'never' } as const;
const namespaced = { decision: 'namespaced' } as const;
const refused = { ...admin, decision: 'refused' } as const;

/** A row whose messages carry nothing that is rewritten here. */
const plain = { request: 'Plain', response: 'Plain' } as const;

// biome-ignore format: a table, one method per row
export const rows = {
  'etcdserverpb.KV/Range': { request: 'RangeRequest', response: 'RangeResponse', ...namespaced, ...read },
  'etcdserverpb.KV/RangeStream': { request: 'RangeRequest', response: 'RangeStreamResponse', streams: 'response', ...namespaced, breaker: 'read', retry: 'never' },
  'etcdserverpb.KV/Put': { request: 'PutRequest', response: 'PutResponse', ...namespaced, ...write },
  'etcdserverpb.KV/DeleteRange': { request: 'DeleteRangeRequest', response: 'DeleteRangeResponse', ...namespaced, ...write },
  'etcdserverpb.KV/Txn': { request: 'TxnRequest', response: 'TxnResponse', ...namespaced, ...write },
  // Virtual: moves the tenant's floor, see namespace/compact.ts. What reaches the cluster is one read.
  'etcdserverpb.KV/Compact': { ...plain, decision: 'answered', ...read },

  'etcdserverpb.Watch/Watch': { request: 'WatchRequest', response: 'WatchResponse', streams: 'both', ...namespaced, breaker: 'watch', retry: 'never' },

  // Repeatable in clientv3's eyes, but a replay would leak a lease.
  'etcdserverpb.Lease/LeaseGrant': { request: 'LeaseGrantRequest', response: 'LeaseGrantResponse', ...namespaced, breaker: 'lease', retry: 'never' },
  'etcdserverpb.Lease/LeaseRevoke': { request: 'LeaseRevokeRequest', response: 'Plain', ...namespaced, breaker: 'lease', retry: 'never' },
  'etcdserverpb.Lease/LeaseKeepAlive': { request: 'LeaseKeepAliveRequest', response: 'LeaseKeepAliveResponse', streams: 'both', ...namespaced, breaker: 'lease', retry: 'never' },
  'etcdserverpb.Lease/LeaseTimeToLive': { request: 'LeaseTimeToLiveRequest', response: 'LeaseTimeToLiveResponse', ...namespaced, breaker: 'lease', retry: 'safe' },
  'etcdserverpb.Lease/LeaseLeases': { request: 'Plain', response: 'LeaseLeasesResponse', ...namespaced, breaker: 'lease', retry: 'safe' },

  // Forwarded for its header; the members are replaced by the proxy itself, see namespace/member-list.ts.
  'etcdserverpb.Cluster/MemberList': { ...plain, decision: 'answered', ...read },
  'etcdserverpb.Cluster/MemberAdd': { ...plain, ...refused },
  'etcdserverpb.Cluster/MemberRemove': { ...plain, ...refused },
  'etcdserverpb.Cluster/MemberUpdate': { ...plain, ...refused },
  'etcdserverpb.Cluster/MemberPromote': { ...plain, ...refused },

  // Clients read `version` from it, so it is passed on.
  'etcdserverpb.Maintenance/Status': { ...plain, decision: 'passed', ...read },
  'etcdserverpb.Maintenance/Alarm': { ...plain, ...refused },
  'etcdserverpb.Maintenance/Defragment': { ...plain, ...refused },
  'etcdserverpb.Maintenance/Hash': { ...plain, ...refused },
  'etcdserverpb.Maintenance/HashKV': { ...plain, ...refused },
  'etcdserverpb.Maintenance/Snapshot': { ...plain, streams: 'response', ...refused },
  'etcdserverpb.Maintenance/MoveLeader': { ...plain, ...refused },
  'etcdserverpb.Maintenance/Downgrade': { ...plain, ...refused },

  'etcdserverpb.Auth/AuthEnable': { ...plain, ...refused },
  'etcdserverpb.Auth/AuthDisable': { ...plain, ...refused },
  'etcdserverpb.Auth/AuthStatus': { ...plain, ...refused },
  'etcdserverpb.Auth/Authenticate': { ...plain, ...refused },
  'etcdserverpb.Auth/UserAdd': { ...plain, ...refused },
  'etcdserverpb.Auth/UserGet': { ...plain, ...refused },
  'etcdserverpb.Auth/UserList': { ...plain, ...refused },
  'etcdserverpb.Auth/UserDelete': { ...plain, ...refused },
  'etcdserverpb.Auth/UserChangePassword': { ...plain, ...refused },
  'etcdserverpb.Auth/UserGrantRole': { ...plain, ...refused },
  'etcdserverpb.Auth/UserRevokeRole': { ...plain, ...refused },
  'etcdserverpb.Auth/RoleAdd': { ...plain, ...refused },
  'etcdserverpb.Auth/RoleGet': { ...plain, ...refused },
  'etcdserverpb.Auth/RoleList': { ...plain, ...refused },
  'etcdserverpb.Auth/RoleDelete': { ...plain, ...refused },
  'etcdserverpb.Auth/RoleGrantPermission': { ...plain, ...refused },
  'etcdserverpb.Auth/RoleRevokePermission': { ...plain, ...refused },

  'v3lockpb.Lock/Lock': { ...plain, ...refused },
  'v3lockpb.Lock/Unlock': { ...plain, ...refused },

  'v3electionpb.Election/Campaign': { ...plain, ...refused },
  'v3electionpb.Election/Proclaim': { ...plain, ...refused },
  'v3electionpb.Election/Leader': { ...plain, ...refused },
  'v3electionpb.Election/Observe': { ...plain, streams: 'response', ...refused },
  'v3electionpb.Election/Resign': { ...plain, ...refused },

  // The state of this process, see admin/health.ts.
  'grpc.health.v1.Health/Check': { ...plain, decision: 'answered', ...admin },
  'grpc.health.v1.Health/Watch': { ...plain, streams: 'response', decision: 'answered', ...admin },
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
  readonly breaker: BreakerClass;
  readonly retry: Retry;
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
    breaker: row.breaker,
    retry: row.retry,
  };
}

/** All methods, `methods[m.index] === m`. */
export const methods: readonly Method[] = Object.entries<Row>(rows).map(toMethod);

export const methodsByPath: ReadonlyMap<string, Method> = new Map(methods.map((m) => [m.path, m]));

/** The method of that name. Throws for one that is not in the table: names are compile-time constants. */
export function method(name: MethodName): Method {
  const found = methodsByPath.get(`/${name}`);
  if (found === undefined) throw new Error(`no method ${name}`);
  return found;
}
