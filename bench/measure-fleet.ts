/** Runs one fleet through one target: the processes join, update their keys, and come to rest. */
import { readCounters } from './etcd-metrics.ts';
import type { FleetCommands, Joined, Observed } from './load/fleet.ts';
import type { Program } from './load/program.ts';
import { startFleet } from './load-programs.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import type { Processes } from './processes.ts';
import type { TargetName } from './scenario.ts';
import { portOf, type Target, World } from './world.ts';

const leaseSeconds = 30;
const timeoutMs = 60_000;

export interface FleetOptions {
  readonly namespaces: number;
  /** Per namespace. */
  readonly processes: number;
  readonly connections: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly valueBytes: number;
  readonly joinsAtOnce: number;
  readonly clients: number;
}

/** Figures without "join" are of the time in which the processes update their keys. */
export interface FleetResult {
  readonly target: TargetName;
  readonly joinedMs: number;
  readonly everyoneMs: number | null;
  readonly joinCpuMs: number;
  readonly joinEtcdCpuMs: number;
  readonly delivered: number;
  readonly eventsPerSecond: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  /** Missed, repeated or reordered. */
  readonly lostEvents: number;
  readonly failures: number;
  readonly firstFailure: string | null;
  /** CPU cores in use. 0 for the proxy if there is none. */
  readonly cpuShare: number;
  readonly etcdCpuShare: number;
  /** Of proxy and etcd, joins included. */
  readonly totalCpuMs: number;
  readonly fromEtcdPerSecond: number;
  readonly toEtcdPerSecond: number;
  readonly residentMiB: number;
}

interface Reading {
  readonly atMs: number;
  readonly cpu: ReturnType<typeof readCpu>;
  readonly etcdCpu: ReturnType<typeof readCpu>;
  readonly counters: Awaited<ReturnType<typeof readCounters>>;
}

async function take(world: World, target: Target): Promise<Reading> {
  const counters = await readCounters(world.etcd.origin);
  const atMs = performance.now();
  return { atMs, cpu: readCpu(target.pid), etcdCpu: readCpu(world.etcd.pid), counters };
}

function between(before: Reading, after: Reading, isProxy: boolean) {
  return {
    elapsedMs: after.atMs - before.atMs,
    cpuMs: isProxy ? cpuBetweenNs(before.cpu, after.cpu) / 1e6 : 0,
    etcdCpuMs: cpuBetweenNs(before.etcdCpu, after.etcdCpu) / 1e6,
    fromEtcd: after.counters.sentBytes - before.counters.sentBytes,
    toEtcd: after.counters.receivedBytes - before.counters.receivedBytes,
  };
}

class FleetPrograms {
  readonly #programs: readonly Program<FleetCommands>[];
  readonly #lines: string[];

  constructor(count: number, onProgress: (line: string) => void) {
    this.#lines = Array.from({ length: count }, () => 'starting');
    this.#programs = this.#lines.map((_, index) => {
      const program = startFleet();
      program.onProgress = (line) => {
        this.#lines[index] = line;
        if (index === 0) onProgress(this.#lines.join(' | '));
      };
      return program;
    });
  }

  async join(target: Target, options: FleetOptions): Promise<Joined> {
    const step = this.#programs.length;
    const joined = await Promise.all(
      this.#programs.map((program, first) =>
        program.call('join', {
          ...options,
          port: portOf(target),
          keyPrefix: `${target.keyPrefix}fleet-`,
          connections: Math.max(1, Math.round(options.connections / step)),
          joinsAtOnce: Math.max(1, Math.round(options.joinsAtOnce / step)),
          leaseSeconds,
          first,
          step,
          timeoutMs,
        }),
      ),
    );
    const everyone = joined.map(({ everyoneMs }) => everyoneMs);
    return {
      joinedMs: Math.max(...joined.map(({ joinedMs }) => joinedMs)),
      everyoneMs: everyone.includes(null) ? null : Math.max(...everyone.map(Number)),
      unseen: sum(joined, ({ unseen }) => unseen),
      failures: sum(joined, ({ failures }) => failures),
      firstFailure: joined.find(({ firstFailure }) => firstFailure !== null)?.firstFailure ?? null,
    };
  }

  async update(options: FleetOptions): Promise<Record<number, number>> {
    const { seconds, perSecond } = options;
    const parts = await Promise.all(
      this.#programs.map((program) => program.call('update', { seconds, perSecond })),
    );
    return Object.assign({}, ...parts);
  }

  async settle(final: Record<number, number>): Promise<Observed> {
    const parts = await Promise.all(
      this.#programs.map((program) => program.call('settle', { final, timeoutMs })),
    );
    return {
      delivered: sum(parts, ({ delivered }) => delivered),
      missed: sum(parts, ({ missed }) => missed),
      repeated: sum(parts, ({ repeated }) => repeated),
      reordered: sum(parts, ({ reordered }) => reordered),
      failures: sum(parts, ({ failures }) => failures),
      firstFailure: parts.find(({ firstFailure }) => firstFailure !== null)?.firstFailure ?? null,
      p50Us: Math.max(...parts.map(({ p50Us }) => p50Us ?? 0)),
      p99Us: Math.max(...parts.map(({ p99Us }) => p99Us ?? 0)),
    };
  }

  [Symbol.dispose](): void {
    for (const program of this.#programs) program[Symbol.dispose]();
  }
}

function sum<T>(items: readonly T[], figure: (item: T) => number): number {
  return items.reduce((total, item) => total + figure(item), 0);
}

/** Rejects if the target does not start. */
export async function measureFleet(
  name: TargetName,
  options: FleetOptions,
  processes: Processes,
  onProgress: (line: string) => void,
): Promise<FleetResult> {
  await using world = await World.start([name], false, processes);
  const [target] = world.targets;
  if (target === undefined) throw new Error(world.absent.get(name) ?? 'did not start');
  using programs = new FleetPrograms(options.clients, onProgress);
  const isProxy = name !== 'etcd';
  const before = await take(world, target);
  const joined = await programs.join(target, options);
  const between1 = await take(world, target);
  const final = await programs.update(options);
  const observed = await programs.settle(final);
  const after = await take(world, target);
  const joining = between(before, between1, isProxy);
  const running = between(between1, after, isProxy);
  const seconds = running.elapsedMs / 1000;
  return {
    target: name,
    joinedMs: joined.joinedMs,
    everyoneMs: joined.everyoneMs,
    joinCpuMs: joining.cpuMs,
    joinEtcdCpuMs: joining.etcdCpuMs,
    delivered: observed.delivered,
    eventsPerSecond: observed.delivered / seconds,
    p50Us: observed.p50Us,
    p99Us: observed.p99Us,
    lostEvents: joined.unseen + observed.missed + observed.repeated + observed.reordered,
    failures: observed.failures,
    firstFailure: observed.firstFailure,
    cpuShare: running.cpuMs / running.elapsedMs,
    etcdCpuShare: running.etcdCpuMs / running.elapsedMs,
    totalCpuMs: joining.cpuMs + joining.etcdCpuMs + running.cpuMs + running.etcdCpuMs,
    fromEtcdPerSecond: running.fromEtcd / seconds,
    toEtcdPerSecond: running.toEtcd / seconds,
    residentMiB: isProxy ? readMemory(target.pid).residentMiB : 0,
  };
}
