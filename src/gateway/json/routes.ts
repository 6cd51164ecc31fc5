/** The paths of the JSON gateway below `/v3`, as in etcd's api/etcdserverpb/rpc.proto and the definitions beside it. */
import { type Method, type MethodName, method } from '../../etcd/methods.ts';

interface Route {
  readonly method: Method;
  /** The minor release of etcd 3 that has it. */
  readonly since: number;
}

type Rows = Readonly<Record<string, readonly [MethodName, number?]>>;

// biome-ignore format: a table, one path per row
const rows: Rows = {
  'kv/range': ['etcdserverpb.KV/Range'],
  'kv/put': ['etcdserverpb.KV/Put'],
  'kv/deleterange': ['etcdserverpb.KV/DeleteRange'],
  'kv/txn': ['etcdserverpb.KV/Txn'],
  'kv/compaction': ['etcdserverpb.KV/Compact'],
  'watch': ['etcdserverpb.Watch/Watch'],
  'lease/grant': ['etcdserverpb.Lease/LeaseGrant'],
  'lease/revoke': ['etcdserverpb.Lease/LeaseRevoke'],
  'kv/lease/revoke': ['etcdserverpb.Lease/LeaseRevoke'],
  'lease/keepalive': ['etcdserverpb.Lease/LeaseKeepAlive'],
  'lease/timetolive': ['etcdserverpb.Lease/LeaseTimeToLive'],
  'kv/lease/timetolive': ['etcdserverpb.Lease/LeaseTimeToLive'],
  'lease/leases': ['etcdserverpb.Lease/LeaseLeases'],
  'kv/lease/leases': ['etcdserverpb.Lease/LeaseLeases'],
  'cluster/member/add': ['etcdserverpb.Cluster/MemberAdd'],
  'cluster/member/remove': ['etcdserverpb.Cluster/MemberRemove'],
  'cluster/member/update': ['etcdserverpb.Cluster/MemberUpdate'],
  'cluster/member/list': ['etcdserverpb.Cluster/MemberList'],
  'cluster/member/promote': ['etcdserverpb.Cluster/MemberPromote'],
  'maintenance/alarm': ['etcdserverpb.Maintenance/Alarm'],
  'maintenance/status': ['etcdserverpb.Maintenance/Status'],
  'maintenance/defragment': ['etcdserverpb.Maintenance/Defragment'],
  'maintenance/hash': ['etcdserverpb.Maintenance/Hash'],
  'maintenance/hashkv': ['etcdserverpb.Maintenance/HashKV', 5],
  'maintenance/snapshot': ['etcdserverpb.Maintenance/Snapshot'],
  'maintenance/transfer-leadership': ['etcdserverpb.Maintenance/MoveLeader'],
  'maintenance/downgrade': ['etcdserverpb.Maintenance/Downgrade', 5],
  'auth/enable': ['etcdserverpb.Auth/AuthEnable'],
  'auth/disable': ['etcdserverpb.Auth/AuthDisable'],
  'auth/status': ['etcdserverpb.Auth/AuthStatus', 5],
  'auth/authenticate': ['etcdserverpb.Auth/Authenticate'],
  'auth/user/add': ['etcdserverpb.Auth/UserAdd'],
  'auth/user/get': ['etcdserverpb.Auth/UserGet'],
  'auth/user/list': ['etcdserverpb.Auth/UserList'],
  'auth/user/delete': ['etcdserverpb.Auth/UserDelete'],
  'auth/user/changepw': ['etcdserverpb.Auth/UserChangePassword'],
  'auth/user/grant': ['etcdserverpb.Auth/UserGrantRole'],
  'auth/user/revoke': ['etcdserverpb.Auth/UserRevokeRole'],
  'auth/role/add': ['etcdserverpb.Auth/RoleAdd'],
  'auth/role/get': ['etcdserverpb.Auth/RoleGet'],
  'auth/role/list': ['etcdserverpb.Auth/RoleList'],
  'auth/role/delete': ['etcdserverpb.Auth/RoleDelete'],
  'auth/role/grant': ['etcdserverpb.Auth/RoleGrantPermission'],
  'auth/role/revoke': ['etcdserverpb.Auth/RoleRevokePermission'],
  'lock/lock': ['v3lockpb.Lock/Lock'],
  'lock/unlock': ['v3lockpb.Lock/Unlock'],
  'election/campaign': ['v3electionpb.Election/Campaign'],
  'election/proclaim': ['v3electionpb.Election/Proclaim'],
  'election/leader': ['v3electionpb.Election/Leader'],
  'election/observe': ['v3electionpb.Election/Observe'],
  'election/resign': ['v3electionpb.Election/Resign'],
};

const routes: ReadonlyMap<string, Route> = new Map(
  Object.entries(rows).map(([path, [name, since = 4]]) => [
    `/v3/${path}`,
    { method: method(name), since },
  ]),
);

/** All paths, for tests and docs. */
export const paths: readonly string[] = [...routes.keys()];

/** The method with that path in etcd 3.`minor`, or null. */
export function routeOf(path: string, minor: number): Method | null {
  const route = routes.get(path);
  return route === undefined || route.since > minor ? null : route.method;
}
