/** The cluster changes: a learner is added and promoted, the leader is moved, the addresses of members change. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcClient } from '../../support/client.ts';
import type { Cluster } from '../../support/cluster.ts';
import { launchMember, withFreePorts } from '../../support/etcd.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { eventually } from '../../support/until.ts';
import type { Fault, World } from '../fault.ts';
import { FaultLink } from '../fault-link.ts';
import { pathNames } from '../path.ts';

const learnerName = 'learner';
const moveEveryMs = 1_500;
const acceptedWithinMs = 20_000;
/** Nothing listens there. */
const nowhere = '127.0.0.1:1';

async function addLearner({ cluster, owned }: World, peerPort: number, clientPort: number) {
  const leader = await cluster.leader();
  using client = grpcClient(leader.address);
  const request = { peerURLs: [`http://127.0.0.1:${peerPort}`], isLearner: true };
  const id = await accepted('addition of a learner', async () => {
    const { member } = await client.call('etcdserverpb.Cluster/MemberAdd', request);
    return member?.ID ?? '';
  });
  const peers = cluster.members.map(({ name, peerUrl }) => `${name}=${peerUrl}`);
  const learner = owned.use(
    launchMember({
      ...{ name: learnerName, clientPort, peerPort, heartbeatMs: 50, electionMs: 500 },
      initialCluster: [...peers, `${learnerName}=http://127.0.0.1:${peerPort}`].join(','),
      args: ['--initial-cluster-state=existing'],
    }),
  );
  return { id, learner };
}

/** etcd refuses as long as the learner has not caught up. */
async function promote(cluster: Cluster, ID: string): Promise<void> {
  await accepted('promotion of the learner', async () => {
    using client = grpcClient((await cluster.leader()).address);
    await client.call('etcdserverpb.Cluster/MemberPromote', { ID });
    return ID;
  });
}

/** Repeats a change that etcd refuses for some time, for example because the cluster is too young. */
async function accepted(what: string, change: () => Promise<string>): Promise<string> {
  let refusal = '';
  const attempt = () =>
    change().catch((error: Error) => {
      refusal = error.message;
      return '';
    });
  const result = await eventually(attempt, (id) => id !== '', acceptedWithinMs);
  if (result === '') throw new Error(`no ${what}: ${refusal}`);
  return result;
}

/** Clients and proxies have the learner among their endpoints from the beginning. */
const learnerPromoted: Fault = {
  name: 'learner added and promoted',
  paths: pathNames,
  async prepare({ links, owned }) {
    links.push(owned.use(await FaultLink.to(nowhere)));
    return {};
  },
  async happen(world) {
    const { cluster, links, lastsMs } = world;
    const { id, learner } = await withFreePorts(2, ([peerPort = 0, clientPort = 0]) =>
      addLearner(world, peerPort, clientPort),
    );
    const link = links.at(-1);
    if (link !== undefined) link.destination = learner.address;
    await sleep(lastsMs);
    await promote(cluster, id);
    await sleep(lastsMs);
  },
};

async function memberId(address: string): Promise<string> {
  using client = grpcClient(address);
  const { header } = await client.call('etcdserverpb.Maintenance/Status', {});
  return header?.member_id ?? '0';
}

const leaderMoved: Fault = {
  name: 'leader moved',
  paths: pathNames,
  async happen({ cluster, chance, lastsMs }) {
    const endAt = performance.now() + lastsMs;
    while (performance.now() < endAt) {
      const leader = await cluster.leader();
      const next = chance.pick(cluster.members.filter((member) => member !== leader));
      using client = grpcClient(leader.address);
      const targetID = await memberId(next.address);
      await client.call('etcdserverpb.Maintenance/MoveLeader', { targetID });
      await sleep(moveEveryMs);
    }
  },
};

const hostName = (i: number) => `member-${i + 1}.test`;
const hostsFiles = new WeakMap<Cluster, string>();

/** Every member gets another address, and connections to the earlier ones end. */
const namesChange: Fault = {
  name: 'DNS change',
  paths: ['proxy'],
  elsewhere: 'names are injected into a Node process',
  async prepare({ cluster, links, owned }) {
    const directory = owned.use(new TemporaryDirectory('names'));
    const file = join(directory.path, 'hosts.json');
    hostsFiles.set(cluster, file);
    writeNames(
      file,
      links.map(() => '127.0.0.1'),
    );
    return {
      endpoints: links.map(({ address }, i) => address.replace('127.0.0.1', hostName(i))),
      environment: {
        NODE_OPTIONS: `--import=${new URL('../injected-names.ts', import.meta.url)}`,
        INJECTED_NAMES: file,
      },
    };
  },
  async happen({ cluster, links, lastsMs, owned }) {
    const hosts = links.map((_, i) => `127.0.1.${i + 1}`);
    for (const [i, link] of links.entries()) {
      const address = link.address.replace('127.0.0.1', hosts[i] ?? '');
      owned.use(await FaultLink.to(link.destination, address));
    }
    writeNames(hostsFiles.get(cluster) ?? '', hosts);
    await Promise.all(links.map((link) => link.close()));
    await sleep(lastsMs);
  },
};

function writeNames(file: string, hosts: readonly string[]): void {
  const names = hosts.map((host, i) => [hostName(i), host] as const);
  writeFileSync(file, JSON.stringify(Object.fromEntries(names)));
}

export const membershipFaults: readonly Fault[] = [namesChange, learnerPromoted, leaderMoved];
