/**
 * Holes that etcd's own access control has had, each by its number: what went past it there is tried here on another
 * tenant, because a proxy that divides a cluster has every occasion to repeat them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import type { MethodName } from '../../src/etcd/methods.ts';
import { Code } from '../../src/grpc/status.ts';
import { slowMessage as message } from '../support/slow-rewriter.ts';
import { until } from '../support/until.ts';
import { attacks } from './attacks.ts';
import { rangeOf } from './forms.ts';
import { latin1, sharedLease, World, type WorldOptions } from './world.ts';

describe.each<[string, WorldOptions]>([
  ['may read and write', { victim: 't10/', intruder: 't1/' }],
  ['may only read', { victim: 't10/', intruder: 't1/', access: 'read-only' }],
])('by a tenant that %s', (_what, options) => {
  let world: World;

  beforeAll(async () => {
    world = await World.start(options);
    await world.replant();
  });

  afterAll(async () => {
    world?.expectNothingHeard();
    await world?.[Symbol.asyncDispose]();
  });

  const askAll = (name: MethodName, requests: readonly Uint8Array[]) =>
    Promise.all(requests.map((request) => world.intruder.ask(name, request)));

  test('CVE-2023-32082: a lease does not tell which keys of others hang on it', async () => {
    const { leases } = keySpace(latin1(world.prefix));
    const lease = String(leases.stored(sharedLease));
    // A client that bypasses the proxy has attached a foreign key to a lease of the intruder's own.
    const key = latin1(`${world.victim}${world.known.readNames[0]}-beside`);
    await world.direct.call('etcdserverpb.KV/Put', { key, value: latin1('x'), lease });
    await world.unharmed(async () => {
      await attacks['etcdserverpb.Lease/LeaseTimeToLive'](world);
      const asked = message([1, BigInt(sharedLease)], [2, 1n]);
      const [heard] = await askAll('etcdserverpb.Lease/LeaseTimeToLive', [asked]);
      expect(heard?.textAt(5).sort()).toEqual((await world.ownNames()).sort());
    });
    await world.direct.call('etcdserverpb.KV/DeleteRange', { key });
  });

  test('CVE-2026-33343: a nested transaction reaches no further than a flat one', async () => {
    const { readNames, writeNames, value } = world.known;
    const deep = (operation: Uint8Array) => {
      const inner = message([4, message([2, operation], [3, operation])]);
      return message([2, message([4, message([2, inner], [3, inner])])]);
    };
    await world.unharmed(async () => {
      const names = readNames.map((name) => world.victim + name);
      const taken = writeNames.map((name) => world.victim + name);
      const all = rangeOf({ key: '\0', end: '\0' });
      const heard = await askAll('etcdserverpb.KV/Txn', [
        ...names.map((name) => deep(message([1, rangeOf({ key: name, end: '\0' })]))),
        ...taken.map((name) => deep(message([2, message([1, name], [2, 'taken'], [4, 1n])]))),
        ...taken.map((name) => deep(message([3, rangeOf({ key: name, end: '\0' }, [3, 1n])]))),
        deep(message([1, all])),
        ...names.map((name) =>
          message([1, message([1, 0n], [2, 3n], [3, name], [7, value])], [2, message([1, all])]),
        ),
      ]);
      const writes = heard.slice(names.length, names.length + 2 * taken.length);
      const expected = world.mayWrite ? Code.OK : Code.PERMISSION_DENIED;
      expect(new Set(writes.map(({ code }) => code))).toEqual(new Set([expected]));
    });
  });

  test('CVE-2026-44283, GHSA-x35m-3gp4-4fh5: a put in a transaction shows no value of others and takes none of their leases', async () => {
    await world.unharmed(async () => {
      const { writeNames, rawNames, leases } = world.known;
      const names = [...writeNames.map((name) => world.victim + name), ...rawNames];
      const put = (...fields: Parameters<typeof message>) =>
        message([2, message([2, message(...fields)])]);
      const shown = await askAll('etcdserverpb.KV/Txn', [
        ...names.map((name) => put([1, name], [2, 'taken'], [4, 1n])),
        ...names.map((name) => put([1, name], [4, 1n], [5, 1n])),
        ...names.map((name) => put([1, name], [4, 1n], [6, 1n])),
      ]);
      const values = shown.flatMap((heard) => heard.textAt(3, 2, 2, 5));
      expect(values.filter((value) => !['taken', 'mine', ''].includes(value))).toEqual([]);
      const foreign = leases.filter((id) => id !== BigInt(sharedLease));
      const attached = await askAll(
        'etcdserverpb.KV/Txn',
        foreign.map((id) => put([1, 'own'], [3, id])),
      );
      const refusal = world.mayWrite ? 'requested lease not found' : 'permission denied';
      for (const { details } of attached) expect(details).toBe(`etcdserver: ${refusal}`);
    });
  });

  test.each<MethodName>([
    'etcdserverpb.Lease/LeaseKeepAlive',
    'etcdserverpb.Lease/LeaseTimeToLive',
    'etcdserverpb.Lease/LeaseLeases',
    'etcdserverpb.KV/Compact',
    'etcdserverpb.Maintenance/Alarm',
    'etcdserverpb.Maintenance/Status',
    'etcdserverpb.Maintenance/MoveLeader',
    'etcdserverpb.Cluster/MemberList',
  ])('CVE-2026-33413: %s checks its caller', async (name) => {
    await world.replant();
    await world.unharmed(() => attacks[name](world));
  });

  test('GHSA-xg4h-6gfc-h4m8: a watch from a key on ends where the namespace ends', async () => {
    await world.unharmed(async () => {
      const watch = world.intruder.open('etcdserverpb.Watch/Watch');
      const from = ['', '\0', 'own', world.victim, '\xff'];
      for (const key of from) watch.send(message([1, rangeOf({ key, end: '\0' }, [6, 1n])]));
      await until('all watches', () => watch.at(3).length === from.length);
      await world.stir();
      const value = await world.touchOwn();
      await until('own events', () => watch.messages.filter((m) => m.includes(value)).length === 3);
      expect(new Set(watch.textAt(11, 2, 1))).toEqual(new Set(['own']));
      watch.cancel();
      await watch.ended;
    });
  });
});
