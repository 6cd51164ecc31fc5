/** What clients ask about the server itself: status, members, health; and what is rejected for a tenant. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { refusal } from '../support/client.ts';
import { etcdVersion } from '../support/etcd-release.ts';
import type { UnaryMethods } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { differs } from './differences.ts';
import { etcdErrors } from './etcd-errors.ts';
import { expectRefusal, revision, useWorld } from './world.ts';

export function clusterSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  test('status reports the version of etcd', async () => {
    const status = await world.client.call('etcdserverpb.Maintenance/Status', {});
    expect(status.version).toBe(etcdVersion().join('.'));
    expect(status.header?.cluster_id).not.toBe('0');
    expect(Number(status.raftTerm)).toBeGreaterThan(0);
    expect(status.leader).not.toBe('0');
    expect(status.errors).toEqual([]);
  });

  test('status reports the size of the store', async () => {
    const status = await world.client.call('etcdserverpb.Maintenance/Status', {});
    const { members } = await world.client.call('etcdserverpb.Cluster/MemberList', {});
    const { dbSize, dbSizeInUse, raftIndex, raftAppliedIndex } = status;
    // Clients divide by the size.
    expect([dbSize, dbSizeInUse]).not.toContain('0');
    const positions = [raftIndex, raftAppliedIndex];
    expect(status.leader).toBe(members[0]?.ID);
    // How etcdctl finds the leader.
    expect(status.header?.member_id).toBe(status.leader);
    await differs(kind, 'status-of-the-store', {
      etcd: async () => expect(positions).not.toContain('0'),
      instead: async () => expect([dbSize, ...positions]).toEqual(['20480', '0', '0']),
    });
  });

  test('no alarm is raised, and no client raises one', async () => {
    const alarm = (request: UnaryMethods['etcdserverpb.Maintenance/Alarm'][0]) =>
      world.client.call('etcdserverpb.Maintenance/Alarm', request);
    await expect(alarm({ action: 'GET' })).resolves.toMatchObject({ alarms: [] });
    await expect(alarm({ alarm: 'NOSPACE' })).resolves.toMatchObject({ alarms: [] });
    const disarm = alarm({ action: 'DEACTIVATE', alarm: 'NOSPACE' });
    await differs(kind, 'cluster-wide-methods', {
      etcd: async () => void expect(await disarm).toMatchObject({ alarms: [] }),
      instead: () => expectRefusal(disarm, etcdErrors.permissionDenied),
    });
  });

  test('an active alarm is listed, and rejects writes with a text of its own', async () => {
    using direct = world.directClient();
    const alarm = 'etcdserverpb.Maintenance/Alarm';
    const raised = { memberID: 7, alarm: 'NOSPACE' } as const;
    await direct.call(alarm, { action: 'ACTIVATE', ...raised });
    const { alarms } = await world.client.call(alarm, {});
    expect(alarms).toMatchObject([{ alarm: 'NOSPACE' }]);
    const { members } = await world.client.call('etcdserverpb.Cluster/MemberList', {});
    await differs(kind, 'status-of-the-store', {
      etcd: async () => expect(alarms[0]?.memberID).toBe('7'),
      instead: async () => expect(alarms[0]?.memberID).toBe(members[0]?.ID),
    });
    const put = world.put(Buffer.from('full'));
    await expectRefusal(put, etcdErrors.noSpace);
    await direct.call(alarm, { action: 'DEACTIVATE', ...raised });
    await expect(world.client.call(alarm, {})).resolves.toMatchObject({ alarms: [] });
  });

  test('the member list has one member with a name, an ID, and an address that clients reach', async () => {
    const { members, header } = await world.client.call('etcdserverpb.Cluster/MemberList', {});
    expect(members).toHaveLength(1);
    const [member] = members;
    expect(member?.name).not.toBe('');
    expect(member?.ID).not.toBe('0');
    expect(member?.isLearner).toBe(false);
    expect(header?.cluster_id).not.toBe('0');
    expect(header?.member_id).not.toBe('0');
    await differs(kind, 'member-list', {
      async etcd() {
        expect(member?.clientURLs).toEqual([world.target.etcd.clientUrl]);
        expect(member?.peerURLs).toEqual([world.target.etcd.peerUrl]);
      },
      async instead() {
        expect(member?.clientURLs).toHaveLength(1);
        expect(member?.clientURLs[0]).toContain(world.target.address);
        expect(member?.peerURLs).toEqual([]);
      },
    });
  });

  test('the member list is the same each time, and its header has revision 0', async () => {
    const ask = () => world.client.call('etcdserverpb.Cluster/MemberList', { linearizable: true });
    const [one, two] = [await ask(), await ask()];
    expect(one.members).toEqual(two.members);
    expect(revision(one)).toBe(0);
  });

  test('the server says that it is healthy', async () => {
    const { status } = await world.client.call('grpc.health.v1.Health/Check', {});
    expect(status).toBe('SERVING');
  });

  test('health of an unknown service', async () => {
    const check = world.client.call('grpc.health.v1.Health/Check', { service: 'no.such.Service' });
    await expectRefusal(check, { code: Code.NOT_FOUND, details: 'unknown service' });
  });

  const clusterWide: [keyof UnaryMethods, number][] = [
    ['etcdserverpb.Maintenance/HashKV', Code.OK],
    ['etcdserverpb.Maintenance/Defragment', Code.OK],
    ['etcdserverpb.Auth/UserList', Code.OK],
    ['etcdserverpb.Cluster/MemberAdd', Code.INVALID_ARGUMENT],
  ];
  for (const [name, code] of clusterWide) {
    test(`${name} is for the owner of the cluster`, async () => {
      await differs(kind, 'cluster-wide-methods', {
        async etcd() {
          const call = world.client.call(name, {});
          if (code === Code.OK) await expect(call).resolves.toBeDefined();
          else expect((await refusal(call)).code).toBe(code);
        },
        instead: () => expectRefusal(world.client.call(name, {}), etcdErrors.permissionDenied),
      });
    });
  }
}
