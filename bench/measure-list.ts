/**
 * Measures lists of a watched range: many clients that list it at the same time, as when a fleet starts. Every sample has an
 * etcd and a target of its own, so that no proxy has the range in memory. The target and its connections have served another
 * range before, because a just-in-time compiler needs thousands of calls to settle.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type EtcdCounters, readCounters } from './etcd-metrics.ts';
import type { GrpcClient } from './grpc-client.ts';
import type { ListPlan } from './load/lists.ts';
import { indexedKey, stampedValue } from './load/stamped-value.ts';
import { startLists } from './load-programs.ts';
import { keyValuesOf, putRequest, rangeRequest } from './messages.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import type { Processes } from './processes.ts';
import type { TargetName } from './scenario.ts';
import { namespace } from './targets.ts';
import { portOf, type Target, World } from './world.ts';

const putPath = '/etcdserverpb.KV/Put';
const rangePath = '/etcdserverpb.KV/Range';
const putsAtOnce = 100;
/** Waits for deferred work, so that it counts for its sample. */
const settleMs = 300;
/** The ranges, below the namespace. */
const measuredRange = 'list/';
const warmRange = 'warm/';

/** A target, and how its clients read. */
export interface ListKind {
  readonly name: string;
  readonly target: TargetName;
  readonly isSerializable: boolean;
}

export interface ListOptions {
  readonly clients: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly rounds: number;
  readonly etcdCommand: string;
}

/** One round of one kind. */
export interface StormSample {
  readonly lastMs: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly etcdCpuMs: number;
  /** 0 without a proxy. */
  readonly proxyCpuMs: number;
  readonly cpuMs: number;
  readonly fromEtcdMiB: number;
  readonly etcdRequests: number;
  readonly failures: number;
  /** Peak of the proxy. */
  readonly peakMiB: number | null;
}

/** CPU of proxy and etcd and the counters of etcd at one moment. */
export interface ListReading {
  readonly proxyCpu: ReturnType<typeof readCpu> | null;
  readonly etcdCpu: readonly ReturnType<typeof readCpu>[];
  readonly counters: EtcdCounters;
}

async function countersOf({ members }: World): Promise<EtcdCounters> {
  const each = await Promise.all(members.map(({ origin }) => readCounters(origin)));
  const sum = (figure: keyof EtcdCounters) => each.reduce((total, one) => total + one[figure], 0);
  return {
    sentBytes: sum('sentBytes'),
    receivedBytes: sum('receivedBytes'),
    requests: sum('requests'),
    calls: sum('calls'),
    watchers: sum('watchers'),
  };
}

function cpuOf(world: World, target: Target): Omit<ListReading, 'counters'> {
  return {
    proxyCpu: target.name === 'etcd' ? null : readCpu(target.pid),
    etcdCpu: world.members.map(({ pid }) => readCpu(pid)),
  };
}

/** The metrics cost etcd CPU, so they are read before the CPU here, and after it at the end. */
export async function readBefore(world: World, target: Target): Promise<ListReading> {
  const counters = await countersOf(world);
  await sleep(settleMs);
  return { ...cpuOf(world, target), counters };
}

/** What was used since `before`. */
export async function readAfter(world: World, target: Target, before: ListReading) {
  await sleep(settleMs);
  const now = cpuOf(world, target);
  const counters = await countersOf(world);
  const etcdCpuNs = now.etcdCpu.reduce((sum, reading, index) => {
    const earlier = before.etcdCpu[index];
    return earlier === undefined ? sum : sum + cpuBetweenNs(earlier, reading);
  }, 0);
  const { proxyCpu } = before;
  const isProxy = proxyCpu !== null && now.proxyCpu !== null;
  return {
    etcdCpuMs: etcdCpuNs / 1e6,
    proxyCpuMs: isProxy ? cpuBetweenNs(proxyCpu, now.proxyCpu) / 1e6 : 0,
    etcdBytes: counters.sentBytes - before.counters.sentBytes,
    etcdRequests: counters.requests - before.counters.requests,
  };
}

/** Writes the keys of both ranges to etcd. */
export async function seed(world: World, { keys, valueBytes }: ListOptions): Promise<void> {
  using etcd = world.client(world.etcd);
  for (const range of [measuredRange, warmRange]) {
    for (let first = 0; first < keys; first += putsAtOnce) {
      const count = Math.min(putsAtOnce, keys - first);
      await Promise.all(
        Array.from({ length: count }, (_, offset) => {
          const key = indexedKey(namespace + range, first + offset);
          return etcd.unary(putPath, putRequest(key, stampedValue(valueBytes, 1)));
        }),
      );
    }
  }
}

/** The two ranges have keys and values of the same lengths. */
type RangeName = typeof measuredRange | typeof warmRange;

function rangeOf(target: Target, name: RangeName): { key: string; rangeEnd: string } {
  const key = target.keyPrefix + name;
  return { key, rangeEnd: `${key.slice(0, -1)}0` };
}

/** Reads a range through a target and from etcd. Returns the bytes of the response, and throws if they differ. */
async function inspect(world: World, target: Target, name: RangeName): Promise<number> {
  using client = world.client(target);
  using etcd = world.client(world.etcd);
  const list = (from: GrpcClient, { key, rangeEnd }: ReturnType<typeof rangeOf>) =>
    from.unary(rangePath, rangeRequest(key, rangeEnd));
  const response = await list(client, rangeOf(target, name));
  const stored = await list(etcd, rangeOf(world.etcd, name));
  if (!hasSameValues(response, stored)) throw new Error(`${target.name} returns other values`);
  return response.length;
}

function hasSameValues(a: Uint8Array, b: Uint8Array): boolean {
  const [these, those] = [keyValuesOf(a), keyValuesOf(b)];
  return (
    these.length === those.length &&
    these.every(({ value }, index) => Buffer.compare(value, those[index]?.value ?? value) === 0)
  );
}

/** Rejects if the target does not start, or returns other values than etcd has. */
export async function measureStorm(
  kind: ListKind,
  options: ListOptions,
  processes: Processes,
): Promise<StormSample> {
  const etcdOptions = { command: options.etcdCommand, members: 1 };
  await using world = await World.start([kind.target], false, processes, etcdOptions);
  const [target] = world.targets;
  if (target === undefined) throw new Error(world.absent.get(kind.target) ?? 'did not start');
  await seed(world, options);
  using lists = startLists();
  await lists.call('connect', { ports: [portOf(target)], connections: options.clients });
  const planFor = (name: RangeName, responseBytes: number): ListPlan => ({
    ...rangeOf(target, name),
    isSerializable: kind.isSerializable,
    responseBytes,
  });
  for (const name of [warmRange, measuredRange] as const) {
    await lists.call('watch', rangeOf(target, name));
  }
  const responseBytes = await inspect(world, target, warmRange);
  await lists.call('storm', planFor(warmRange, responseBytes));
  const before = await readBefore(world, target);
  const listed = await lists.call('storm', planFor(measuredRange, responseBytes));
  const used = await readAfter(world, target, before);
  await inspect(world, target, measuredRange);
  return {
    lastMs: listed.elapsedMs,
    p50Ms: milliseconds(listed.p50Us),
    p99Ms: milliseconds(listed.p99Us),
    etcdCpuMs: used.etcdCpuMs,
    proxyCpuMs: used.proxyCpuMs,
    cpuMs: used.etcdCpuMs + used.proxyCpuMs,
    fromEtcdMiB: used.etcdBytes / 2 ** 20,
    etcdRequests: used.etcdRequests,
    failures: listed.failures,
    peakMiB: target.name === 'etcd' ? null : readMemory(target.pid).peakMiB,
  };
}

function milliseconds(us: number | null): number | null {
  return us === null ? null : us / 1000;
}
