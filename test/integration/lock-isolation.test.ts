/**
 * Two tenants on one cluster whose locks and elections have the same names. What one does by the keys, revisions and
 * leases of the other, visible ones and stored ones, must not change a byte of the other's, nor show any.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import { visibleId } from '../../src/etcd/lease-id.ts';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, refusal } from '../support/client.ts';
import type { KeyValue } from '../support/messages.ts';
import { type SharedEtcd, startSharedEtcd } from '../support/shared-etcd.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

let shared: SharedEtcd;
let direct: GrpcClient;
let red: GrpcClient;
let blue: GrpcClient;

beforeAll(async () => {
  shared = await startSharedEtcd({
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'blue', namespace: 'blue/' },
    ],
  });
  direct = shared.directClient();
  red = shared.client('red');
  blue = shared.client('blue');
});

afterAll(() => shared?.[Symbol.asyncDispose]());

const seals = {
  red: keySpace(Buffer.from('red/')).leases,
  blue: keySpace(Buffer.from('blue/')).leases,
};

/** Everything of the tenant that etcd holds, to the last byte. */
async function stored(of: 'red' | 'blue'): Promise<readonly KeyValue[]> {
  const range = { key: bytes(`${of}/`), range_end: bytes(`${of}0`) };
  return (await direct.call('etcdserverpb.KV/Range', range)).kvs;
}

const outcome = (call: Promise<unknown>) =>
  call.then(
    () => 'done',
    ({ details }: { details: string }) => details,
  );

test('both hold the lock of one name, and neither unlocks the other', async () => {
  const { key } = await red.call('v3lockpb.Lock/Lock', { name: bytes('lock') });
  const before = await stored('red');
  expect(before).toHaveLength(1);
  await blue.call('v3lockpb.Lock/Lock', { name: bytes('lock') });
  const tries = [
    key,
    before[0]?.key ?? bytes(''),
    bytes('../red/lock'),
    bytes('\0'),
    bytes('red/'),
  ];
  for (const tried of tries) await blue.call('v3lockpb.Lock/Unlock', { key: tried });
  expect(await stored('red')).toEqual(before);
});

test('a lease of the other cannot be locked or campaigned on, by no spelling of its ID', async () => {
  const { ID } = await red.call('etcdserverpb.Lease/LeaseGrant', { TTL: 600 });
  const { leases } = await direct.call('etcdserverpb.Lease/LeaseLeases', {});
  const ids = [ID, ...leases.map((lease) => lease.ID)];
  for (const lease of ids) {
    const lock = refusal(blue.call('v3lockpb.Lock/Lock', { name: bytes('leased'), lease }));
    expect((await lock).details).toBe('etcdserver: requested lease not found');
    const run = refusal(blue.call('v3electionpb.Election/Campaign', { name: bytes('l'), lease }));
    expect((await run).details).toBe('etcdserver: requested lease not found');
  }
});

test('a leader is not proclaimed over, dethroned, found or observed by the other', async () => {
  const name = bytes('boss');
  const campaign = { name, value: bytes('red rules') };
  const { leader } = await red.call('v3electionpb.Election/Campaign', campaign);
  const before = (await stored('red')).find(({ value }) => value.equals(campaign.value));
  if (leader === null || before === undefined) throw new Error('no leader');

  const { rev, lease } = leader;
  const leaders = [
    leader,
    { ...leader, lease: 0 },
    { name: bytes('red/boss'), key: before.key, rev, lease: before.lease },
    { name, key: before.key, rev, lease: -1 },
  ];
  for (const foreign of leaders) {
    const proclaimed = blue.call('v3electionpb.Election/Proclaim', {
      leader: foreign,
      value: bytes('blue rules'),
    });
    expect(await outcome(proclaimed)).not.toBe('done');
    await blue.call('v3electionpb.Election/Resign', { leader: foreign });
  }
  for (const asked of ['boss', 'red/boss', '', '../red/boss'].map(bytes)) {
    const found = refusal(blue.call('v3electionpb.Election/Leader', { name: asked }));
    expect(await found).toMatchObject({ code: Code.UNKNOWN, details: 'election: no leader' });
  }
  using observer = blue.stream('v3electionpb.Election/Observe');
  observer.send({ name });
  observer.end();
  await red.call('v3electionpb.Election/Proclaim', { leader, value: bytes('red still rules') });
  expect(await observer.drain(200)).toEqual([]);

  const [after] = (await stored('red')).filter(({ key }) => key.equals(before.key));
  const { create_revision, version, value } = after ?? before;
  expect({ create_revision, version, value }).toEqual({
    create_revision: rev,
    version: '2',
    value: bytes('red still rules'),
  });
  expect(visibleId(seals.red, BigInt(after?.lease ?? 0))).toBe(Number(lease));
});

test('everything that was stored on the way lies in one of the namespaces', async () => {
  const whole = { key: bytes('\0'), range_end: bytes('\0') };
  const { kvs } = await direct.call('etcdserverpb.KV/Range', whole);
  for (const { key, lease } of kvs) {
    const [namespace = ''] = key.toString('latin1').split('/', 1);
    expect(['red', 'blue']).toContain(namespace);
    expect(visibleId(seals[namespace as 'red' | 'blue'], BigInt(lease))).toBeGreaterThan(0);
  }
});
