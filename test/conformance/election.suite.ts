/** The election service: campaigns, proclamations, observers, and what clients that are not the leader may not do. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type CallOptions, type GrpcClient, refusal } from '../support/client.ts';
import type { Bytes, Int64, LeaderKey } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { eventually } from '../support/until.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, expectRefusal, type Keys, useWorld } from './world.ts';

/** Long enough for an unwanted response to arrive. */
const silenceMs = 300;
const unknown = (details: string) => ({ code: Code.UNKNOWN, details });

export function electionSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  const call: GrpcClient['call'] = (name, request, options) =>
    world.client.call(name, request, options);
  const campaign = async (name: Bytes, value: string, lease: Int64 = 0, options?: CallOptions) => {
    const request = { name, value: bytes(value), lease };
    const { leader } = await call('v3electionpb.Election/Campaign', request, options);
    if (leader === null) throw new Error('a campaign that was won names its leader');
    return leader;
  };
  const proclaim = (leader: LeaderKey, value: string) =>
    call('v3electionpb.Election/Proclaim', { leader, value: bytes(value) });
  const resign = (leader: LeaderKey) => call('v3electionpb.Election/Resign', { leader });
  const leaderOf = (name: Bytes) => call('v3electionpb.Election/Leader', { name });
  const leases = async () => {
    const answer = await call('etcdserverpb.Lease/LeaseLeases', {});
    return answer.leases.length;
  };
  const queued = async (k: Keys, count: number) => {
    const { kvs } = await eventually(
      () => world.range(k.all),
      (answer) => answer.kvs.length === count,
    );
    expect(kvs).toHaveLength(count);
  };

  test('the winner receives its key, revision and lease', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    const leader = await campaign(k('boss'), 'one', lease);
    expect(leader).toMatchObject({ name: k('boss'), lease });
    expect(leader.key.toString()).toMatch(/^case-\d+\/boss\/[0-9a-f]+$/);
    const { kvs } = await world.range(k.all);
    expect(kvs).toMatchObject([
      { key: leader.key, value: bytes('one'), create_revision: leader.rev, lease },
    ]);
    const { kv } = await leaderOf(k('boss'));
    expect(kv).toEqual(kvs[0]);
  });

  test('without a lease, one of 60 seconds is granted', async () => {
    const k = world.keys();
    const leader = await campaign(k('boss'), 'one');
    expect(leader.lease).not.toBe('0');
    const { lease: ID } = leader;
    const ttl = await call('etcdserverpb.Lease/LeaseTimeToLive', { ID, keys: true });
    expect(ttl).toMatchObject({ ID, grantedTTL: '60', keys: [leader.key] });
    await call('etcdserverpb.Lease/LeaseRevoke', { ID });
    await queued(k, 0);
  });

  test('the second in line leads when the first resigns', async () => {
    const k = world.keys();
    const first = await campaign(k('boss'), 'one');
    const waiting = campaign(k('boss'), 'two');
    await queued(k, 2);
    await resign(first);
    const second = await waiting;
    expect(second.key).not.toEqual(first.key);
    const { kv } = await leaderOf(k('boss'));
    expect(kv).toMatchObject({ key: second.key, value: bytes('two') });
  });

  test('a client that stops waiting leaves the campaign', async () => {
    const k = world.keys();
    await campaign(k('boss'), 'one');
    const leaving = new AbortController();
    const waiting = refusal(campaign(k('boss'), 'two', 0, { signal: leaving.signal }));
    await queued(k, 2);
    leaving.abort();
    expect((await waiting).code).toBe(Code.CANCELLED);
    await queued(k, 1);
  });

  test('what the leader proclaims is seen by clients that query it and by observers', async () => {
    const k = world.keys();
    const observed = world.client.stream('v3electionpb.Election/Observe');
    observed.send({ name: k('boss') });
    observed.end();
    const leader = await campaign(k('boss'), 'one');
    expect((await observed.next()).kv).toMatchObject({ key: leader.key, value: bytes('one') });
    await proclaim(leader, 'more');
    expect((await observed.next()).kv).toMatchObject({ key: leader.key, value: bytes('more') });
    expect((await leaderOf(k('boss'))).kv).toMatchObject({ lease: leader.lease, version: '2' });
    observed.cancel();
    expect((await observed.ended()).code).toBe(Code.CANCELLED);
  });

  test('an observer is notified of the next leader', async () => {
    const k = world.keys();
    const first = await campaign(k('boss'), 'one');
    const observed = world.client.stream('v3electionpb.Election/Observe');
    observed.send({ name: k('boss') });
    observed.end();
    expect((await observed.next()).kv).toMatchObject({ value: bytes('one') });
    const waiting = campaign(k('boss'), 'two');
    await queued(k, 2);
    await resign(first);
    const second = await waiting;
    expect((await observed.next()).kv).toMatchObject({ key: second.key, value: bytes('two') });
    observed.cancel();
  });

  test('a proclamation without a lease moves the key to one of 60 seconds', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    const leader = await campaign(k('boss'), 'one', lease);
    await proclaim({ name: leader.name, key: leader.key, rev: leader.rev }, 'two');
    const { kv } = await leaderOf(k('boss'));
    expect(kv).toMatchObject({ value: bytes('two') });
    expect(['0', lease]).not.toContain(kv?.lease);
    const ID = kv?.lease ?? 0;
    const ttl = await call('etcdserverpb.Lease/LeaseTimeToLive', { ID, keys: true });
    expect(ttl).toMatchObject({ grantedTTL: '60', keys: [leader.key] });
  });

  test('resigning needs no lease, and a wrong name does not matter', async () => {
    const k = world.keys();
    const { key, rev } = await campaign(k('boss'), 'one');
    await resign({ name: k('other'), key, rev });
    await queued(k, 0);
  });

  test('a client that is not the leader can neither proclaim nor resign', async () => {
    const k = world.keys();
    const leader = await campaign(k('boss'), 'one');
    const notLeader = { ...leader, rev: String(Number(leader.rev) + 1) };
    await expectRefusal(proclaim(notLeader, 'two'), unknown('election: not leader'));
    await resign(notLeader);
    expect((await leaderOf(k('boss'))).kv).toMatchObject({ value: bytes('one'), version: '1' });
  });

  test('an election without a leader', async () => {
    const k = world.keys();
    await expectRefusal(leaderOf(k('nobody')), unknown('election: no leader'));
    const observed = world.client.stream('v3electionpb.Election/Observe');
    observed.send({ name: k('nobody') });
    observed.end();
    expect(await observed.drain(silenceMs)).toEqual([]);
    const leader = await campaign(k('nobody'), 'one');
    expect((await observed.next()).kv).toMatchObject({ key: leader.key, value: bytes('one') });
    observed.cancel();
  });

  test('elections whose names begin alike are different ones', async () => {
    const k = world.keys();
    await campaign(k('boss'), 'one');
    await campaign(k('boss2'), 'two');
    await expectRefusal(leaderOf(k('bos')), unknown('election: no leader'));
    expect((await leaderOf(k('boss'))).kv).toMatchObject({ value: bytes('one') });
  });

  test('a name may be empty or absent', async () => {
    await world.empty();
    const leader = await campaign(bytes(''), 'one');
    expect(leader.name).toEqual(bytes(''));
    expect(leader.key.toString()).toMatch(/^\/[0-9a-f]+$/);
    const { kv } = await call('v3electionpb.Election/Leader', {});
    expect(kv).toMatchObject({ key: leader.key, value: bytes('one') });
    await proclaim(leader, 'two');
    await resign({ key: leader.key, rev: leader.rev });
    await expectRefusal(leaderOf(bytes('')), unknown('election: no leader'));
  });

  test('leader, observers and a resignation need no lease', async () => {
    const k = world.keys();
    const { key, rev } = await campaign(k('boss'), 'one');
    const before = await leases();
    await leaderOf(k('boss'));
    await resign({ key, rev, lease: -1 });
    expect(await leases()).toBe(before);
  });

  test('a leader that is missing, or without a key', async () => {
    const missing = unknown('"leader" field must be provided');
    await expectRefusal(call('v3electionpb.Election/Proclaim', {}), missing);
    await expectRefusal(call('v3electionpb.Election/Resign', {}), missing);
    const noKey = unknown(etcdErrors.keyNotProvided.details);
    for (const leader of [{}, { name: bytes('x'), rev: 1 }, { key: bytes(''), lease: -1 }]) {
      await expectRefusal(proclaim(leader, 'v'), noKey);
      await expectRefusal(resign(leader), noKey);
    }
  });

  test('a lease that does not exist', async () => {
    const k = world.keys();
    const notFound = unknown(etcdErrors.leaseNotFound.details);
    for (const lease of ['4242', '-1', '2147483648', '9223372036854775807']) {
      await expectRefusal(campaign(k('boss'), 'one', lease), notFound);
    }
    await queued(k, 0);
    const leader = await campaign(k('boss'), 'one');
    await expectRefusal(proclaim({ ...leader, lease: '4242' }, 'two'), notFound);
    await resign({ ...leader, lease: '4242' });
    await queued(k, 0);
  });
}
