/** Members that crash, hang and restart. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd } from '../../support/etcd.ts';
import { revokesAsFormerLeader } from '../../support/etcd-release.ts';
import { compact } from '../compaction.ts';
import type { Fault, World } from '../fault.ts';
import { pathNames } from '../path.ts';

const formerLeader =
  'etcd revokes leases with a leader that was replaced while it was paused (etcd#15247)';

type Role = 'leader' | 'follower';

async function memberOf({ cluster, chance }: World, role: Role): Promise<Etcd> {
  const leader = await cluster.leader();
  return role === 'leader' ? leader : chance.pick(cluster.members.filter((m) => m !== leader));
}

function killed(role: Role): Fault {
  return {
    name: `kill ${role}`,
    paths: pathNames,
    async happen(world) {
      const member = await memberOf(world, role);
      await member.kill();
      await sleep(world.lastsMs);
      await member.restart();
    },
  };
}

function paused(role: Role, seconds: number): Fault {
  return {
    name: `pause ${role} ${seconds} s`,
    paths: pathNames,
    leasesLostByEtcd: () => (role === 'leader' && revokesAsFormerLeader() ? formerLeader : null),
    async happen(world) {
      const member = await memberOf(world, role);
      member.pause();
      await sleep(seconds * 1_000);
      member.resume();
    },
  };
}

async function kill(members: readonly Etcd[], { lastsMs }: World): Promise<void> {
  await Promise.all(members.map((member) => member.kill()));
  await sleep(lastsMs);
  await Promise.all(members.map((member) => member.restart()));
}

const none: Fault = {
  name: 'none',
  paths: pathNames,
  happen: ({ lastsMs }) => sleep(lastsMs),
};

const twoDown: Fault = {
  name: '2 of 3 down',
  paths: pathNames,
  happen: (world) => kill(world.cluster.members.slice(1), world),
};

const allDown: Fault = {
  name: 'all down and back',
  paths: pathNames,
  happen: (world) => kill(world.cluster.members, world),
};

const restartWithCompaction: Fault = {
  name: 'restart with compaction',
  paths: pathNames,
  async happen(world) {
    const member = await memberOf(world, 'follower');
    const other = await memberOf(world, 'leader');
    await member.kill();
    await sleep(world.lastsMs);
    await compact(world, other.address);
    await member.restart();
    await compact(world, other.address);
  },
};

const rollingRestart: Fault = {
  name: 'rolling restart',
  paths: pathNames,
  async happen({ cluster }) {
    for (const member of cluster.members) {
      await member.stop();
      await member.restart();
      await sleep(2_000);
    }
  },
};

export const memberFaults: readonly Fault[] = [
  none,
  killed('follower'),
  killed('leader'),
  paused('follower', 5),
  paused('follower', 30),
  paused('leader', 5),
  paused('leader', 30),
  twoDown,
  allDown,
  restartWithCompaction,
  rollingRestart,
];
