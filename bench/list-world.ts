/** What the measurements of lists share: the keys, and what a target and etcd use between two moments. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type EtcdCounters, readCounters } from './etcd-metrics.ts';
import type { GrpcClient } from './grpc-client.ts';
import type { ListPlan } from './load/lists.ts';
import { indexedKey, stampedValue } from './load/stamped-value.ts';
import { keyValuesOf, putRequest, rangeRequest } from './messages.ts';
import { cpuBetweenNs, readCpu } from './proc.ts';
import type { TargetName } from './scenario.ts';
import { namespace } from './targets.ts';
import type { Target, World } from './world.ts';

const putPath = '/etcdserverpb.KV/Put';
const rangePath = '/etcdserverpb.KV/Range';
const putsAtOnce = 100;
/** Waits for deferred work, so that it counts for its sample. */
const settleMs = 300;
/** The ranges, below the namespace. */
export const measuredRange = 'list/';
export const warmRange = 'warm/';

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
  /** Length of a sample of repeated lists. */
  readonly seconds: number;
  readonly writesPerSecond: number;
  readonly etcdCommand: string;
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
export type RangeName = typeof measuredRange | typeof warmRange;

export function rangeOf(target: Target, name: RangeName): { key: string; rangeEnd: string } {
  const key = target.keyPrefix + name;
  return { key, rangeEnd: `${key.slice(0, -1)}0` };
}

/** Reads a range through a target and from etcd. Returns the bytes of the response, and throws if they differ. */
export async function inspect(world: World, target: Target, name: RangeName): Promise<number> {
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

export function planFor(
  { isSerializable }: ListKind,
  target: Target,
  name: RangeName,
  responseBytes: number,
): ListPlan {
  return { ...rangeOf(target, name), isSerializable, responseBytes };
}

export function milliseconds(us: number | null): number | null {
  return us === null ? null : us / 1000;
}
