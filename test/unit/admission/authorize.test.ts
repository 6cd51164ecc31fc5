import { describe, expect, test } from 'vitest';
import { authorize } from '../../../src/admission/authorize.ts';
import { type MethodName, method, methods, ownerMethods } from '../../../src/etcd/methods.ts';
import { metadataValue } from '../../../src/grpc/metadata.ts';
import { Code } from '../../../src/grpc/status.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { Caller } from '../../support/caller.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { slowMessage as message } from '../../support/slow-rewriter.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const reader: Tenant = { ...testTenant(), access: 'read-only' };
const owner: Tenant = { ...testTenant(), owns: ownerMethods };

const put = message([2, message([1, 'k'])]);
const remove = message([3, message([1, 'k'])]);
const range = message([1, message([1, 'k'])]);
const raise = message([1, 1n], [3, 1n]);

/** Returns the reason trailer of a call, or `passed` if it has reached etcd. */
function outcome(tenant: Tenant, name: MethodName, request: Uint8Array = Buffer.alloc(0)): string {
  const below = new FakeEtcd<'tenant'>();
  const above = new Caller();
  const call = callOf(name, { tenant });
  const { requestStream, responseStream } = method(name);
  const etcd = onBytes(authorize()(below));
  if (requestStream || responseStream) etcd.stream(call, above).send(request);
  else etcd.unary(call, request, above);
  if (above.status === null) {
    expect(below.calls).toMatchObject([{ call, requests: [request] }]);
    return 'passed';
  }
  expect(below.calls).toEqual([]);
  const reason = metadataValue(above.status.trailers, 'etcd-bulkhead-reason') ?? '';
  if (reason !== 'malformed' && reason !== 'operations-nested') {
    const text = 'etcdserver: permission denied';
    expect(above.status).toMatchObject({ code: Code.PERMISSION_DENIED, text });
  }
  return reason;
}

describe('a tenant', () => {
  test.each(methods.map((m) => [m.decision, m.name] as const))(
    'calls a method that is %s: %s',
    (decision, name) => {
      expect(outcome(testTenant(), name)).toBe(
        decision === 'rejected' ? 'method-denied' : 'passed',
      );
    },
  );

  test('reads alarms, but neither raises nor disarms them', () => {
    const alarm = 'etcdserverpb.Maintenance/Alarm';
    expect(outcome(testTenant(), alarm, message([3, 1n]))).toBe('passed');
    for (const action of [1n, 2n, 7n, -1n, 2n ** 32n]) {
      expect(outcome(testTenant(), alarm, message([1, action]))).toBe('method-denied');
    }
    expect(outcome(testTenant(), alarm, message([1, 1n], [1, 0n]))).toBe('method-denied');
    expect(outcome(testTenant(), alarm, message([1, 'x']))).toBe('malformed');
  });

  test('receives a hint about what to do instead', () => {
    const above = new Caller();
    const call = callOf('etcdserverpb.Maintenance/Snapshot', { tenant: testTenant() });
    authorize()(new FakeEtcd<'tenant'>()).stream(call, above);
    const hint = metadataValue(above.status?.trailers ?? [], 'etcd-bulkhead-hint');
    expect(hint).toMatch(/every tenant/);
  });

  test('calls transactions, whatever they contain', () => {
    for (const request of [put, message([2, put]), Buffer.from('no message')]) {
      expect(outcome(testTenant(), 'etcdserverpb.KV/Txn', request)).toBe('passed');
    }
  });
});

describe('the owner of the cluster', () => {
  test.each([...ownerMethods])('calls %s', (name) => {
    expect(outcome(owner, name, raise)).toBe('passed');
  });

  test('manages users only if that was given to it', () => {
    const some: Tenant = { ...owner, owns: new Set(['etcdserverpb.Maintenance/Defragment']) };
    expect(outcome(some, 'etcdserverpb.Auth/UserAdd')).toBe('method-denied');
    expect(outcome(owner, 'etcdserverpb.Auth/UserAdd')).toBe('passed');
  });

  test('calls only the methods that it owns', () => {
    const some: Tenant = { ...owner, owns: new Set(['etcdserverpb.Maintenance/Defragment']) };
    expect(outcome(some, 'etcdserverpb.Maintenance/Defragment')).toBe('passed');
    expect(outcome(some, 'etcdserverpb.Maintenance/Snapshot')).toBe('method-denied');
    expect(outcome(some, 'etcdserverpb.Maintenance/Alarm', raise)).toBe('method-denied');
  });

  test('cannot write if it is read-only', () => {
    const watching: Tenant = { ...owner, access: 'read-only' };
    const reads = [...ownerMethods].filter((name) => outcome(watching, name, raise) === 'passed');
    expect(reads).toEqual([
      'etcdserverpb.Cluster/MemberList',
      'etcdserverpb.Maintenance/Status',
      'etcdserverpb.Maintenance/Hash',
      'etcdserverpb.Maintenance/HashKV',
      'etcdserverpb.Maintenance/Snapshot',
    ]);
    expect(outcome(watching, 'etcdserverpb.Maintenance/Alarm')).toBe('passed');
  });
});

describe('a read-only tenant', () => {
  test('reads, watches and lists its own leases', () => {
    const passed = methods
      .filter(
        ({ service, name }) => !service.endsWith('.Auth') && outcome(reader, name) === 'passed',
      )
      .map(({ name }) => name);
    expect(passed).toEqual([
      'etcdserverpb.KV/Range',
      'etcdserverpb.KV/RangeStream',
      'etcdserverpb.KV/Txn',
      'etcdserverpb.Watch/Watch',
      'etcdserverpb.Lease/LeaseTimeToLive',
      'etcdserverpb.Lease/LeaseLeases',
      'etcdserverpb.Cluster/MemberList',
      'etcdserverpb.Maintenance/Status',
      'etcdserverpb.Maintenance/Alarm',
      'v3electionpb.Election/Leader',
      'v3electionpb.Election/Observe',
      'grpc.health.v1.Health/Check',
      'grpc.health.v1.Health/Watch',
    ]);
  });

  test.each([
    'etcdserverpb.KV/Put',
    'etcdserverpb.KV/DeleteRange',
    'etcdserverpb.KV/Compact',
    'etcdserverpb.Lease/LeaseGrant',
    'etcdserverpb.Lease/LeaseRevoke',
    'etcdserverpb.Lease/LeaseKeepAlive',
    'v3lockpb.Lock/Lock',
    'v3lockpb.Lock/Unlock',
    'v3electionpb.Election/Campaign',
    'v3electionpb.Election/Proclaim',
    'v3electionpb.Election/Resign',
  ] as const)('is rejected for %s, with a reason', (name) => {
    expect(outcome(reader, name)).toBe('read-only');
  });

  const nested = (depth: number, op: Uint8Array): Uint8Array =>
    depth === 0 ? op : message([4, message([2, nested(depth - 1, op)])]);

  test.each<[string, string, Uint8Array]>([
    ['reads alone', 'passed', message([1, message([3, 'k'])], [2, range], [3, range])],
    ['reads in one another', 'passed', message([2, nested(3, range)])],
    ['a put if the compares hold', 'read-only', message([2, range], [2, put])],
    ['a put if they do not', 'read-only', message([3, put])],
    ['a delete', 'read-only', message([2, remove])],
    ['an empty delete', 'read-only', message([2, message([3, ''])])],
    ['a put in a transaction in a transaction', 'read-only', message([3, nested(2, put)])],
    ['a put at the deepest level', 'read-only', message([2, nested(128, put)])],
    ['a put below the deepest level', 'operations-nested', message([2, nested(129, put)])],
    ['a put before the range that replaces it', 'read-only', message([2, concat(put, range)])],
    ['a put after the range that it replaces', 'read-only', message([2, concat(range, put)])],
    ['a put in the first of two nested ones', 'read-only', twice(message([2, put]), message())],
    ['a put in the second of two nested ones', 'read-only', twice(message(), message([2, put]))],
    [
      'a put after a branch that is too deep',
      'read-only',
      message([2, nested(129, put)], [3, put]),
    ],
    ['a branch that is not a message', 'malformed', message([2, 'no message'])],
    ['a put before an invalid message', 'malformed', message([2, put], [3, '\xff'])],
    ['an operation of the wrong type', 'malformed', message([2, message([4, 1n])])],
    ['a branch of the wrong type', 'malformed', message([2, 1n])],
    ['a field number that some parsers cut', 'malformed', Buffer.from('9280808010021200', 'hex')],
    ['a cut end', 'malformed', message([2, put]).subarray(0, -1)],
  ])('a transaction with %s: %s', (_what, expected, request) => {
    expect(outcome(reader, 'etcdserverpb.KV/Txn', request)).toBe(expected);
  });
});

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts);
}

/** A transaction whose one operation names two nested transactions. */
function twice(one: Uint8Array, two: Uint8Array): Uint8Array {
  return message([2, concat(message([4, one]), message([4, two]))]);
}
