/**
 * Measures many clients that list a watched range at the same time, as when a fleet starts. Every sample has an etcd and a target
 * of its own, so that no proxy has the range in memory. The target and its connections have served another range before, because
 * a just-in-time compiler needs thousands of calls to settle.
 */
import {
  inspect,
  type ListKind,
  type ListOptions,
  measuredRange,
  milliseconds,
  planFor,
  rangeOf,
  readAfter,
  readBefore,
  seed,
  warmRange,
} from './list-world.ts';
import { startLists } from './load-programs.ts';
import { readMemory } from './proc.ts';
import type { Processes } from './processes.ts';
import { portOf, World } from './world.ts';

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
  for (const name of [warmRange, measuredRange] as const) {
    await lists.call('watch', rangeOf(target, name));
  }
  const responseBytes = await inspect(world, target, warmRange);
  await lists.call('storm', planFor(kind, target, warmRange, responseBytes));
  const before = await readBefore(world, target);
  const listed = await lists.call('storm', planFor(kind, target, measuredRange, responseBytes));
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
