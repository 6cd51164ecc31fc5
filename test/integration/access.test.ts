/** Permissions on a real cluster: of the tenant that owns it, of a read-only tenant, and of all others. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { MethodName } from '../../src/etcd/methods.ts';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, refusal } from '../support/client.ts';
import { encodeRequest } from '../support/codec.ts';
import type { KeyValue, LeaderKey, UnaryMethods } from '../support/messages.ts';
import { type SharedEtcd, startSharedEtcd } from '../support/shared-etcd.ts';
import { slowMessage as message } from '../support/slow-rewriter.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const everything = { key: bytes('\0'), range_end: bytes('\0') };

let shared: SharedEtcd;
let direct: GrpcClient;
let tenant: GrpcClient;
let owner: GrpcClient;
let defragmenter: GrpcClient;
let reader: GrpcClient;

beforeAll(async () => {
  shared = await startSharedEtcd({
    tenants: [
      { name: 'tenant', namespace: 't/' },
      { name: 'owner', namespace: 'o/', role: 'owner' },
      { name: 'some', namespace: 's/', role: 'owner', 'owner-methods': ['Defragment'] },
      { name: 'reader', namespace: 'r/', access: 'read-only' },
    ],
  });
  direct = shared.directClient();
  tenant = shared.client('tenant');
  owner = shared.client('owner');
  defragmenter = shared.client('some');
  reader = shared.client('reader');
});

afterAll(() => shared?.[Symbol.asyncDispose]());

beforeEach(async () => {
  await direct.call('etcdserverpb.KV/DeleteRange', everything);
});

async function denied(call: Promise<unknown>, reason: string): Promise<string> {
  const { code, details, trailers } = await refusal(call);
  expect({ code, details }).toEqual({
    code: Code.PERMISSION_DENIED,
    details: 'etcdserver: permission denied',
  });
  expect(trailers.get('etcd-bulkhead-reason')).toEqual([reason]);
  return String(trailers.get('etcd-bulkhead-hint')[0] ?? '');
}

const put = (client: GrpcClient, key: string, value = 'v', lease = 0) =>
  client.call('etcdserverpb.KV/Put', { key: bytes(key), value: bytes(value), lease });

/** Everything that etcd holds, to the last byte. */
async function stored(): Promise<readonly KeyValue[]> {
  const { kvs } = await direct.call('etcdserverpb.KV/Range', everything);
  return kvs;
}

describe('the owner of the cluster', () => {
  test('compacts the cluster, where other tenants only move a floor of their own', async () => {
    const first = Number((await put(tenant, 'a', 'one')).header?.revision);
    const now = Number((await put(tenant, 'a', 'two')).header?.revision);
    const readAt = (client: GrpcClient, key: string, revision: number) =>
      client.call('etcdserverpb.KV/Range', { key: bytes(key), revision });

    await tenant.call('etcdserverpb.KV/Compact', { revision: now });
    await expect(readAt(direct, 't/a', first)).resolves.toMatchObject({
      kvs: [{ value: bytes('one') }],
    });

    await owner.call('etcdserverpb.KV/Compact', { revision: now, physical: true });
    expect((await refusal(readAt(direct, 't/a', first))).details).toBe(
      'etcdserver: mvcc: required revision has been compacted',
    );
    expect((await refusal(readAt(reader, 'a', first))).code).toBe(Code.OUT_OF_RANGE);
    const again = refusal(owner.call('etcdserverpb.KV/Compact', { revision: now }));
    expect((await again).code).toBe(Code.OUT_OF_RANGE);
  });

  test('sees the real members, sizes and alarms', async () => {
    const list = 'etcdserverpb.Cluster/MemberList';
    expect((await owner.call(list, {})).members).toEqual((await direct.call(list, {})).members);
    const status = await owner.call('etcdserverpb.Maintenance/Status', {});
    expect(Number(status.dbSize)).toBeGreaterThan(0);
    expect(status.leader).toBe(status.header?.member_id);
    const alarm = 'etcdserverpb.Maintenance/Alarm';
    await owner.call(alarm, { action: 'ACTIVATE', memberID: 7, alarm: 'NOSPACE' });
    const { alarms } = await owner.call(alarm, {});
    expect(alarms).toEqual([{ memberID: '7', alarm: 'NOSPACE' }]);
    await owner.call(alarm, { action: 'DEACTIVATE', memberID: 7, alarm: 'NOSPACE' });
    await expect(direct.call(alarm, {})).resolves.toMatchObject({ alarms: [] });
  });

  test('takes a snapshot of everybody, as it is stored', async () => {
    await put(tenant, 'secret');
    const stream = owner.byteStream('/etcdserverpb.Maintenance/Snapshot');
    stream.send(Buffer.alloc(0));
    stream.end();
    const parts: Buffer[] = [];
    const { code } = await stream.ended(30_000);
    expect(code).toBe(Code.OK);
    parts.push(...(await stream.drain(0)));
    expect(Buffer.concat(parts).includes('t/secret')).toBe(true);
  });

  test('hashes and defragments, and has its own keys as any tenant', async () => {
    await put(owner, 'mine');
    await expect(stored()).resolves.toMatchObject([{ key: bytes('o/mine') }]);
    const hash = await owner.call('etcdserverpb.Maintenance/HashKV', {});
    expect(hash.hash).toBe((await direct.call('etcdserverpb.Maintenance/HashKV', {})).hash);
    await expect(owner.call('etcdserverpb.Maintenance/Defragment', {})).resolves.toBeDefined();
  });

  test('may be the owner in some respects alone', async () => {
    await defragmenter.call('etcdserverpb.Maintenance/Defragment', {});
    await denied(defragmenter.call('etcdserverpb.Maintenance/HashKV', {}), 'method-denied');
    const { members } = await defragmenter.call('etcdserverpb.Cluster/MemberList', {});
    expect(members).toMatchObject([{ name: 'etcd-bulkhead' }]);
  });
});

describe('a tenant that does not own the cluster', () => {
  const clusterWide: readonly MethodName[] = [
    'etcdserverpb.Cluster/MemberAdd',
    'etcdserverpb.Cluster/MemberRemove',
    'etcdserverpb.Cluster/MemberUpdate',
    'etcdserverpb.Cluster/MemberPromote',
    'etcdserverpb.Maintenance/Defragment',
    'etcdserverpb.Maintenance/Hash',
    'etcdserverpb.Maintenance/HashKV',
    'etcdserverpb.Maintenance/MoveLeader',
    'etcdserverpb.Maintenance/Downgrade',
    'etcdserverpb.Auth/AuthEnable',
    'etcdserverpb.Auth/UserAdd',
    'etcdserverpb.Auth/RoleGrantPermission',
  ];

  test.each(clusterWide)('is denied %s, and told what to do instead', async (name) => {
    expect(await denied(tenant.bytes(`/${name}`, Buffer.alloc(0)), 'method-denied')).not.toBe('');
  });

  test('is denied a snapshot, and raising an alarm', async () => {
    const stream = tenant.byteStream('/etcdserverpb.Maintenance/Snapshot');
    stream.send(Buffer.alloc(0));
    stream.end();
    const { code, details } = await stream.ended();
    expect([code, details]).toEqual([Code.PERMISSION_DENIED, 'etcdserver: permission denied']);
    const raise = { action: 'ACTIVATE', memberID: 7, alarm: 'NOSPACE' } as const;
    await denied(tenant.call('etcdserverpb.Maintenance/Alarm', raise), 'method-denied');
    await put(tenant, 'still');
  });
});

describe('a tenant that may only read', () => {
  test('reads, watches, and queries its leases', async () => {
    await direct.call('etcdserverpb.KV/Put', { key: bytes('r/a'), value: bytes('v') });
    await direct.call('etcdserverpb.KV/Put', { key: bytes('t/a'), value: bytes('v') });
    const { kvs } = await reader.call('etcdserverpb.KV/Range', everything);
    expect(kvs).toMatchObject([{ key: bytes('a') }]);
    const onlyReads = await reader.call('etcdserverpb.KV/Txn', {
      compare: [{ key: bytes('a'), target: 'VERSION', result: 'EQUAL', version: 1 }],
      success: [{ request_range: { key: bytes('a') } }],
      failure: [{ request_txn: { success: [{ request_range: { key: bytes('a') } }] } }],
    });
    expect(onlyReads.succeeded).toBe(true);

    using watch = reader.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: everything });
    await watch.next();
    await direct.call('etcdserverpb.KV/Put', { key: bytes('r/b'), value: bytes('new') });
    await expect(watch.next()).resolves.toMatchObject({ events: [{ kv: { key: bytes('b') } }] });

    const lookedUp = await reader.call('etcdserverpb.Lease/LeaseTimeToLive', { ID: 5 });
    expect(lookedUp).toMatchObject({ ID: '5', TTL: '-1' });
    await expect(reader.call('etcdserverpb.Lease/LeaseLeases', {})).resolves.toBeDefined();
    await expect(reader.call('etcdserverpb.Maintenance/Status', {})).resolves.toBeDefined();
  });

  const leader: LeaderKey = { name: bytes('a'), key: bytes('a'), rev: 1, lease: 5 };
  const target = { key: bytes('a') };
  const write = { request_put: { ...target, value: bytes('x') } };
  const remove = { request_delete_range: target };
  const look = { request_range: target };
  const fails = { key: bytes('a'), target: 'VERSION', result: 'EQUAL', version: 99 } as const;
  const txn = 'etcdserverpb.KV/Txn';

  const writes: readonly (readonly [string, MethodName, Uint8Array])[] = [
    ['a put', 'etcdserverpb.KV/Put', encodeRequest('etcdserverpb.KV/Put', target)],
    [
      'a delete',
      'etcdserverpb.KV/DeleteRange',
      encodeRequest('etcdserverpb.KV/DeleteRange', everything),
    ],
    [
      'a compaction',
      'etcdserverpb.KV/Compact',
      encodeRequest('etcdserverpb.KV/Compact', { revision: 1 }),
    ],
    ['a put in a branch', txn, encodeRequest(txn, { success: [look, write] })],
    [
      'a put in a branch not taken',
      txn,
      encodeRequest(txn, { compare: [fails], success: [write] }),
    ],
    ['a delete in a branch', txn, encodeRequest(txn, { compare: [fails], failure: [remove] })],
    [
      'a put further down',
      txn,
      encodeRequest(txn, { success: [{ request_txn: { success: [write] } }] }),
    ],
    [
      'a put before a range',
      txn,
      message([2, message([2, message([1, 'a'])], [1, message([1, 'a'])])]),
    ],
    [
      'a grant',
      'etcdserverpb.Lease/LeaseGrant',
      encodeRequest('etcdserverpb.Lease/LeaseGrant', { TTL: 9 }),
    ],
    [
      'a revoke',
      'etcdserverpb.Lease/LeaseRevoke',
      encodeRequest('etcdserverpb.Lease/LeaseRevoke', { ID: 5 }),
    ],
    ['a lock', 'v3lockpb.Lock/Lock', encodeRequest('v3lockpb.Lock/Lock', { name: bytes('a') })],
    ['an unlock', 'v3lockpb.Lock/Unlock', encodeRequest('v3lockpb.Lock/Unlock', target)],
    [
      'a campaign',
      'v3electionpb.Election/Campaign',
      encodeRequest('v3electionpb.Election/Campaign', { name: bytes('a') }),
    ],
    [
      'a proclamation',
      'v3electionpb.Election/Proclaim',
      encodeRequest('v3electionpb.Election/Proclaim', { leader }),
    ],
    [
      'a resignation',
      'v3electionpb.Election/Resign',
      encodeRequest('v3electionpb.Election/Resign', { leader }),
    ],
  ];

  test.each(writes)('is refused %s by %s, and nothing changes', async (_what, name, request) => {
    await direct.call('etcdserverpb.KV/Put', { key: bytes('r/a'), value: bytes('v') });
    const leases = 'etcdserverpb.Lease/LeaseLeases' satisfies keyof UnaryMethods;
    const before = [await stored(), (await direct.call(leases, {})).leases];
    await denied(reader.bytes(`/${name}`, Buffer.from(request)), 'read-only');
    expect([await stored(), (await direct.call(leases, {})).leases]).toEqual(before);
  });

  test('is refused to keep a lease alive', async () => {
    using stream = reader.stream('etcdserverpb.Lease/LeaseKeepAlive');
    stream.send({ ID: 5 });
    expect((await stream.ended()).code).toBe(Code.PERMISSION_DENIED);
  });
});
