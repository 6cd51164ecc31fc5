/**
 * One etcd, or a cluster of it, and every target in front of it. Each case gets a new world, so that no case inherits the store, heap or
 * connections of another.
 */
import { memberFlags } from '../src/cli/etcd-member.ts';
import { freePort } from '../src/cli/free-port.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { GrpcClient } from './grpc-client.ts';
import { Processes } from './processes.ts';
import type { TargetName } from './scenario.ts';
import { blueprints, namespace } from './targets.ts';

export interface Target {
  readonly name: TargetName;
  readonly pid: number;
  /** For example `http://127.0.0.1:4711`. */
  readonly origin: string;
  readonly keyPrefix: string;
}

export interface EtcdOptions {
  /** The program of the members. The targets that are etcd themselves have their own. */
  readonly command: string;
  readonly members: number;
}

export class World {
  readonly processes: Processes;
  readonly trusted: string | null;
  /** The first member. */
  readonly etcd: Target;
  readonly members: readonly Target[];
  /** All running targets; etcd is the first if it was requested. */
  readonly targets: readonly Target[];
  /** Requested targets that do not run here, each with the reason. */
  readonly absent: ReadonlyMap<TargetName, string>;

  private constructor(
    processes: Processes,
    trusted: string | null,
    members: readonly [Target, ...Target[]],
    others: readonly Target[],
    absent: ReadonlyMap<TargetName, string>,
    measuresEtcd: boolean,
  ) {
    const [etcd] = members;
    this.processes = processes;
    this.trusted = trusted;
    this.etcd = etcd;
    this.members = members;
    this.targets = measuresEtcd ? [etcd, ...others] : others;
    this.absent = absent;
  }

  /** Rejects if etcd does not start. Any other target that does not start is `absent`. */
  static async start(
    names: readonly TargetName[],
    isTls: boolean,
    parent: Processes,
    etcdOptions: EtcdOptions = { command: 'etcd', members: 1 },
  ): Promise<World> {
    const processes = new Processes(parent);
    try {
      const certificate = isTls ? await makeCertificate(processes) : null;
      const members = await startEtcd(processes, certificate, etcdOptions);
      const others: Target[] = [];
      const absent = new Map<TargetName, string>();
      for (const name of names) {
        if (name !== 'etcd') {
          try {
            others.push(await startProxy(name, members, processes, certificate));
          } catch (error) {
            absent.set(name, error instanceof Error ? error.message : String(error));
          }
        }
      }
      const trusted = certificate?.pem ?? null;
      return new World(processes, trusted, members, others, absent, names.includes('etcd'));
    } catch (error) {
      await processes[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A client of a target. The caller must close it. */
  client(target: Target): GrpcClient {
    return new GrpcClient(target.origin, this.trusted);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.processes[Symbol.asyncDispose]();
  }
}

/** Resolves when each member accepts connections. There may be no leader yet: calls wait for it. */
async function startEtcd(
  processes: Processes,
  certificate: Certificate | null,
  { command, members }: EtcdOptions,
): Promise<[Target, ...Target[]]> {
  const scheme = certificate === null ? 'http' : 'https';
  const places: { name: string; port: number; clientUrl: string; peerUrl: string }[] = [];
  while (places.length < members) {
    const port = await freePort(0);
    const peerPort = await freePort(0);
    places.push({
      name: `member-${places.length}`,
      port,
      clientUrl: `${scheme}://127.0.0.1:${port}`,
      peerUrl: `http://127.0.0.1:${peerPort}`,
    });
  }
  const initialCluster = places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  const [first, ...others] = await Promise.all(
    places.map(async ({ port, ...place }): Promise<Target> => {
      const dataDir = processes.makeDirectory(place.name);
      const args = [
        ...memberFlags({ ...place, dataDir, initialCluster }),
        '--logger=zap',
        '--log-level=warn',
        // The benchmark compares proxies and not disks.
        '--unsafe-no-fsync',
        // Large enough for all puts of a fast machine.
        `--quota-backend-bytes=${8 * 1024 ** 3}`,
      ];
      if (certificate !== null) {
        const { certificateFile, keyFile } = certificate;
        args.push(`--cert-file=${certificateFile}`, `--key-file=${keyFile}`);
      }
      const { pid } = await processes.start(place.name, command, args, port);
      return { name: 'etcd', pid, origin: place.clientUrl, keyPrefix: namespace };
    }),
  );
  if (first === undefined) throw new RangeError('a cluster without members');
  return [first, ...others];
}

async function startProxy(
  name: Exclude<TargetName, 'etcd'>,
  members: readonly [Target, ...Target[]],
  processes: Processes,
  certificate: Certificate | null,
): Promise<Target> {
  const { keyPrefix, command } = blueprints[name];
  const port = await freePort(0);
  const [program, ...args] = command({
    etcdPorts: members.map(portOf),
    port,
    adminPort: await freePort(0),
    certificate,
    configFile: processes.newFile(`${name}.cfg`),
  });
  const { pid } = await processes.start(name, program, args, port);
  const { protocol } = new URL(members[0].origin);
  return { name, pid, origin: `${protocol}//127.0.0.1:${port}`, keyPrefix };
}

/** Where a target listens. */
export function portOf({ origin }: Target): number {
  return Number(new URL(origin).port);
}
