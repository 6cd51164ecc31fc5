/**
 * A real etcd cluster of several members on this machine. Its timeouts are half of etcd's usual ones: short enough for
 * tests that wait for elections, long enough not to elect by accident on a busy machine.
 */
import { type GrpcClient, grpcClient } from './client.ts';
import { type Etcd, type EtcdOptions, startMembers, withFreePorts } from './etcd.ts';
import { eventually } from './until.ts';

export interface Cluster extends AsyncDisposable {
  readonly members: readonly Etcd[];
  /** Comma-separated client URLs, as in `--endpoints`. */
  readonly endpoints: string;
  /** The member that leads now. Rejects when none says so within a bounded time. */
  leader(): Promise<Etcd>;
}

const leaderWithinMs = 10_000;
const askWithinMs = 1000;

async function leads(client: GrpcClient): Promise<boolean> {
  try {
    const status = await client.call(
      'etcdserverpb.Maintenance/Status',
      {},
      { timeoutMs: askWithinMs },
    );
    return status.leader !== '0' && status.leader === status.header?.member_id;
  } catch {
    return false; // A member that is down does not lead.
  }
}

async function leaderAmong(members: readonly Etcd[]): Promise<Etcd | null> {
  for (const member of members) {
    using client = grpcClient(member.address);
    if (await leads(client)) return member;
  }
  return null;
}

async function findLeader(members: readonly Etcd[]): Promise<Etcd> {
  const isFound = (leader: Etcd | null) => leader !== null;
  const leader = await eventually(() => leaderAmong(members), isFound, leaderWithinMs);
  if (leader === null) throw new Error(`no member led within ${leaderWithinMs} ms`);
  return leader;
}

/** Starts `size` members that know each other; resolves when all of them serve. */
export function startCluster(size: number, options: EtcdOptions = {}): Promise<Cluster> {
  return withFreePorts(2 * size, async (ports) => {
    const peers = ports.slice(0, size).map((port, i) => ({ name: `member-${i + 1}`, port }));
    const initialCluster = peers
      .map(({ name, port }) => `${name}=http://127.0.0.1:${port}`)
      .join(',');
    const members = await startMembers(
      peers.map(({ name, port }, i) => ({
        name,
        clientPort: ports[size + i] ?? 0,
        peerPort: port,
        initialCluster,
        heartbeatMs: 50,
        electionMs: 500,
        args: options.args ?? [],
      })),
    );
    return {
      members,
      endpoints: members.map((member) => member.clientUrl).join(','),
      leader: () => findLeader(members),
      async [Symbol.asyncDispose]() {
        await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
      },
    };
  });
}
