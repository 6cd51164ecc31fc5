/**
 * Measures keepalives at a constant rate. The number of keepalive streams at etcd is read from etcd's own metrics, so it is
 * the same figure for every proxy.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Measured, MeasureOptions } from './measure-load.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import { type KeepAliveCase, type Sample, sampleOf, type TargetName } from './scenario.ts';
import { rotated } from './statistics.ts';
import { type Target, World } from './world.ts';

const program = fileURLToPath(new URL('./keep-alives.ts', import.meta.url));
/** Leases of the previous round have expired. */
const settleMs = 4_000;
const attemptsMax = 8;

/** Each target has an etcd of its own, because proxies keep streams between rounds. */
interface Contender {
  readonly world: World;
  readonly target: Target;
}

/** Rejects if a target loses a lease, a stream or a response. */
export async function measureKeepAlives(
  subject: KeepAliveCase,
  options: MeasureOptions,
): Promise<Measured> {
  await using stack = new AsyncDisposableStack();
  const absent = new Map<TargetName, string>();
  const contenders: Contender[] = [];
  for (const name of options.names) {
    const world = stack.use(await World.start([name], options.isTls, options.processes));
    for (const [missing, reason] of world.absent) absent.set(missing, reason);
    for (const target of world.targets) contenders.push({ world, target });
  }
  const samples: Partial<Record<TargetName, Sample[]>> = {};
  // The first round is for the just-in-time compiler.
  for (let round = -1; round < options.rounds; round += 1) {
    for (const contender of rotated(contenders, Math.max(0, round))) {
      const sample = await settledSample(contender, subject);
      const { name } = contender.target;
      if (round < 0) samples[name] = [];
      else samples[name]?.push(sample);
    }
  }
  return { case: subject, samples, absent };
}

/**
 * If the machine has other load, leases may expire because CPU is short, at etcd itself too. Such a sample says nothing and is
 * repeated. A target that loses leases each time is rejected.
 */
async function settledSample(contender: Contender, subject: KeepAliveCase): Promise<Sample> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const sample = await sampleOnce(contender, subject);
    await sleep(settleMs);
    if (sample !== null) return sample;
  }
  throw new Error(`${contender.target.name} did not serve ${subject.name}`);
}

/** Resolves to null if the load has ended early. */
async function sampleOnce(
  { world, target }: Contender,
  subject: KeepAliveCase,
): Promise<Sample | null> {
  const { connections, leasesPerConnection, renewalsPerLease } = subject;
  const renewals = connections * leasesPerConnection * renewalsPerLease;
  const { stdout } = world.processes.spawnTalking(process.execPath, [
    program,
    target.origin,
    ...[connections, leasesPerConnection, renewalsPerLease].map(String),
  ]);
  if (stdout === null) throw new Error('the load has no standard output');
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).done === true) return null;
  const cpuBefore = readCpu(target.pid);
  const etcdCpuBefore = readCpu(world.etcd.pid);
  const streams = sleep((renewalsPerLease * 1_000) / 2).then(() => keepAliveStreams(world));
  const report = await lines.next();
  if (report.done === true) return null;
  const cpuNs = cpuBetweenNs(cpuBefore, readCpu(target.pid));
  const etcdCpuNs = cpuBetweenNs(etcdCpuBefore, readCpu(world.etcd.pid));
  const outcome = JSON.parse(report.value) as {
    renewed: number;
    seconds: number;
    p50Us: number;
    p99Us: number;
  };
  if (outcome.renewed !== renewals) {
    throw new Error(`${target.name} responded to ${outcome.renewed} of ${renewals} renewals`);
  }
  return sampleOf({
    cpuUs: cpuNs / 1000 / renewals,
    etcdCpuUs: etcdCpuNs / 1000 / renewals,
    perSecond: outcome.renewed / outcome.seconds,
    p50Us: outcome.p50Us,
    p99Us: outcome.p99Us,
    etcdStreams: await streams,
    ...readMemory(target.pid),
  });
}

/** Keepalive streams that are open at etcd now. */
async function keepAliveStreams(world: World): Promise<number> {
  const response = await fetch(`${world.etcd.origin}/metrics`);
  let open = 0;
  for (const line of (await response.text()).split('\n')) {
    if (!line.includes('grpc_method="LeaseKeepAlive"')) continue;
    const value = Number(line.split(' ')[1]);
    if (line.startsWith('grpc_server_started_total')) open += value;
    else if (line.startsWith('grpc_server_handled_total')) open -= value;
  }
  return open;
}
