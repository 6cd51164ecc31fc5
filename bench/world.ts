/**
 * One etcd and every target in front of it. Each case gets a new world, so that no case inherits the store, heap or
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

export class World {
  readonly processes: Processes;
  readonly trusted: string | null;
  readonly etcd: Target;
  /** All running targets; etcd is the first if it was requested. */
  readonly targets: readonly Target[];
  /** Requested targets that do not run here, each with the reason. */
  readonly absent: ReadonlyMap<TargetName, string>;

  private constructor(
    processes: Processes,
    trusted: string | null,
    etcd: Target,
    others: readonly Target[],
    absent: ReadonlyMap<TargetName, string>,
    measuresEtcd: boolean,
  ) {
    this.processes = processes;
    this.trusted = trusted;
    this.etcd = etcd;
    this.targets = measuresEtcd ? [etcd, ...others] : others;
    this.absent = absent;
  }

  /** Rejects if etcd does not start. Any other target that does not start is `absent`. */
  static async start(
    names: readonly TargetName[],
    isTls: boolean,
    parent: Processes,
  ): Promise<World> {
    const processes = new Processes(parent);
    try {
      const certificate = isTls ? await makeCertificate(processes) : null;
      const etcd = await startEtcd(processes, certificate);
      const others: Target[] = [];
      const absent = new Map<TargetName, string>();
      for (const name of names) {
        if (name !== 'etcd') {
          try {
            others.push(await startProxy(name, etcd, processes, certificate));
          } catch (error) {
            absent.set(name, error instanceof Error ? error.message : String(error));
          }
        }
      }
      const trusted = certificate?.pem ?? null;
      return new World(processes, trusted, etcd, others, absent, names.includes('etcd'));
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

async function startEtcd(processes: Processes, certificate: Certificate | null): Promise<Target> {
  const scheme = certificate === null ? 'http' : 'https';
  const port = await freePort(0);
  const peerPort = await freePort(0);
  const origin = `${scheme}://127.0.0.1:${port}`;
  const args = [
    ...memberFlags({
      name: 'default',
      dataDir: processes.makeDirectory('etcd'),
      clientUrl: origin,
      peerUrl: `http://127.0.0.1:${peerPort}`,
    }),
    '--logger=zap',
    '--log-level=warn',
    // The benchmark compares proxies and not disks.
    '--unsafe-no-fsync',
    // Large enough for all puts of a fast machine.
    `--quota-backend-bytes=${8 * 1024 ** 3}`,
  ];
  if (certificate !== null) {
    args.push(`--cert-file=${certificate.certificateFile}`, `--key-file=${certificate.keyFile}`);
  }
  const { pid } = await processes.start('etcd', 'etcd', args, port);
  return { name: 'etcd', pid, origin, keyPrefix: namespace };
}

async function startProxy(
  name: Exclude<TargetName, 'etcd'>,
  etcd: Target,
  processes: Processes,
  certificate: Certificate | null,
): Promise<Target> {
  const { keyPrefix, command } = blueprints[name];
  const port = await freePort(0);
  const [program, ...args] = command({
    etcdPort: Number(new URL(etcd.origin).port),
    port,
    adminPort: await freePort(0),
    certificate,
    configFile: processes.newFile(`${name}.cfg`),
  });
  const { pid } = await processes.start(name, program, args, port);
  return { name, pid, origin: `${new URL(etcd.origin).protocol}//127.0.0.1:${port}`, keyPrefix };
}
