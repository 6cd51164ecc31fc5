/**
 * Measures watchers that receive events. A writer puts to etcd directly, so the CPU of the target is that of the events
 * alone. Each event is checked at each watcher. Writer and watchers are processes of their own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type EtcdCounters, readCounters } from './etcd-metrics.ts';
import type { Received, WatchPlan } from './load/watchers.ts';
import { startPuts, startWatchers, type WatcherProgram } from './load-programs.ts';
import type { Measured, MeasureOptions } from './measure-load.ts';
import { cpuBetweenNs, readCpu, readMemory } from './proc.ts';
import {
  type Sample,
  sampleOf,
  type TargetName,
  type WatchContentionCase,
  type WatchEventsCase,
  type WatchJoinsCase,
  type WatchMemoryCase,
} from './scenario.ts';
import { rotated } from './statistics.ts';
import { namespace } from './targets.ts';
import { portOf, type Target, World } from './world.ts';

type WatchersCase = WatchEventsCase | WatchContentionCase | WatchJoinsCase | WatchMemoryCase;

const valueBytes = 128;
const pacedKeys = 100;
const settleMs = 200;
/** Long enough for garbage collection that runs in an idle process. */
const memorySettleMs = 4000;
const deliveryTimeoutMs = 30_000;
/** Deliveries and events after which a just-in-time compiler has settled. */
const warmUpDeliveries = 20_000;
const warmUpEventsMax = 2_000;

/**
 * Rejects when a target does not create every watch. Events that do not arrive are counted. Every sample has an etcd and a
 * target of its own: a process keeps memory that it once allocated, and a proxy may keep an upstream watch for a while
 * after its last watcher has left, which would add to etcd's work for the next target.
 */
export async function measureWatchEvents(
  subject: WatchersCase,
  { names, rounds, isTls, processes }: MeasureOptions,
): Promise<Measured> {
  const samples: Partial<Record<TargetName, Sample[]>> = {};
  const absent = new Map<TargetName, string>();
  for (let round = 0; round < rounds; round += 1) {
    for (const name of rotated(names, round)) {
      await using world = await World.start([name], isTls, processes);
      for (const target of world.targets) {
        const ofTarget = samples[name] ?? [];
        samples[name] = ofTarget;
        ofTarget.push(await sampleOnce(world, target, subject));
      }
      for (const [missing, reason] of world.absent) absent.set(missing, reason);
    }
  }
  return { case: subject, samples, absent };
}

function planOf(target: Target, keys: number, subject: Partial<WatchPlan>): WatchPlan {
  return {
    key: `${target.keyPrefix}w/`,
    rangeEnd: `${target.keyPrefix}w0`,
    streamsPerConnection: 1,
    watchersPerStream: 1,
    hasOwnKeys: false,
    keys,
    isChecked: true,
    ...subject,
  };
}

function sampleOnce(world: World, target: Target, subject: WatchersCase): Promise<Sample> {
  switch (subject.kind) {
    case 'watch-events':
      return sampleEvents(world, target, subject);
    case 'watch-contention':
      return sampleContention(world, target, subject);
    case 'watch-joins':
      return sampleJoins(world, target, subject);
    case 'watch-memory':
      return sampleMemory(target, subject);
    default:
      return subject satisfies never;
  }
}

/** CPU of the target and of etcd, and etcd's counters, at one moment. */
interface Reading {
  readonly cpu: ReturnType<typeof readCpu>;
  readonly etcdCpu: ReturnType<typeof readCpu>;
  readonly counters: EtcdCounters;
}

async function take(world: World, target: Target): Promise<Reading> {
  const counters = await readCounters(world.etcd.origin);
  await sleep(settleMs);
  return { cpu: readCpu(target.pid), etcdCpu: readCpu(world.etcd.pid), counters };
}

function lostEvents(received: Received): number {
  return received.missed + received.repeated + received.reordered + received.ended;
}

/** Fewer watchers get more events, and faster. */
function warmUpOf(watchers: number, keys: number, eventsPerSecond: number) {
  const count = Math.min(warmUpEventsMax, Math.max(keys, Math.ceil(warmUpDeliveries / watchers)));
  return { count, perSecond: Math.max(eventsPerSecond, count / 4) };
}

async function sampleEvents(
  world: World,
  target: Target,
  subject: WatchEventsCase,
): Promise<Sample> {
  using watchers = startWatchers();
  using puts = startPuts();
  const { connections, watchersPerConnection, eventsPerSecond, events } = subject;
  const hasOwnKeys = subject.keys === 'own';
  const keys = hasOwnKeys ? connections * watchersPerConnection : Math.min(pacedKeys, events);
  const keyPrefix = `${namespace}w/`;
  await puts.call('connect', {
    port: portOf(world.etcd),
    connections: 4,
    keyPrefix,
    keys,
    valueBytes,
  });
  await watchers.call('connect', { port: portOf(target), connections });
  const plan = { watchersPerStream: watchersPerConnection, hasOwnKeys };
  await watchers.call('watch', planOf(target, keys, plan));
  const warmUp = warmUpOf(connections * watchersPerConnection, keys, eventsPerSecond);
  const warm = await puts.call('paced', warmUp);
  await watchers.call('settle', { final: warm.final, timeoutMs: deliveryTimeoutMs });
  await watchers.call('clear', undefined);
  const before = await take(world, target);
  const startedMs = performance.now();
  const written = await puts.call('paced', { perSecond: eventsPerSecond, count: events });
  const received = await watchers.call('settle', {
    final: written.final,
    timeoutMs: deliveryTimeoutMs,
  });
  const elapsedMs = performance.now() - startedMs;
  await sleep(settleMs);
  const cpuNs = cpuBetweenNs(before.cpu, readCpu(target.pid));
  const etcdCpuNs = cpuBetweenNs(before.etcdCpu, readCpu(world.etcd.pid));
  const after = await readCounters(world.etcd.origin);
  return sampleOf({
    cpuUs: cpuNs / 1000 / received.delivered,
    etcdCpuUs: etcdCpuNs / 1000 / events,
    perSecond: (received.delivered / elapsedMs) * 1000,
    p50Us: received.p50Us,
    p99Us: received.p99Us,
    etcdBytes: (after.sentBytes - before.counters.sentBytes - written.responseBytes) / events,
    lostEvents: lostEvents(received),
    ...readMemory(target.pid),
  });
}

async function sampleContention(
  world: World,
  target: Target,
  subject: WatchContentionCase,
): Promise<Sample> {
  using watchers = startWatchers();
  using puts = startPuts();
  const { connections, watchersPerConnection, putsInFlight, seconds } = subject;
  const plan = { watchersPerStream: watchersPerConnection, isChecked: false };
  await puts.call('connect', {
    port: portOf(target),
    connections: 4,
    keyPrefix: `${target.keyPrefix}w/`,
    keys: putsInFlight,
    valueBytes,
  });
  await watchers.call('connect', { port: portOf(target), connections });
  await watchers.call('watch', planOf(target, putsInFlight, plan));
  const before = await take(world, target);
  const startedMs = performance.now();
  const written = await puts.call('saturate', { ms: seconds * 1000 });
  const received = await watchers.call('settle', {
    final: written.final,
    timeoutMs: deliveryTimeoutMs,
  });
  const elapsedMs = performance.now() - startedMs;
  const count = connections * watchersPerConnection;
  const cpuNs = cpuBetweenNs(before.cpu, readCpu(target.pid));
  const etcdCpuNs = cpuBetweenNs(before.etcdCpu, readCpu(world.etcd.pid));
  return sampleOf({
    cpuUs: cpuNs / 1000 / received.delivered,
    etcdCpuUs: etcdCpuNs / 1000 / written.puts,
    perSecond: (written.puts / written.elapsedMs) * 1000,
    reachedPerSecond: (received.delivered / count / elapsedMs) * 1000,
    lostEvents: lostEvents(received),
    ...readMemory(target.pid),
  });
}

async function sampleJoins(world: World, target: Target, subject: WatchJoinsCase): Promise<Sample> {
  using watchers = startWatchers();
  const { connections, watchersPerConnection } = subject;
  await watchers.call('connect', { port: portOf(target), connections });
  const before = await take(world, target);
  const plan = planOf(target, 1, { watchersPerStream: watchersPerConnection });
  const elapsedMs = await watchers.call('watch', plan);
  await sleep(settleMs);
  const after = await readCounters(world.etcd.origin);
  const count = connections * watchersPerConnection;
  const cpuNs = cpuBetweenNs(before.cpu, readCpu(target.pid));
  const etcdCpuNs = cpuBetweenNs(before.etcdCpu, readCpu(world.etcd.pid));
  return sampleOf({
    cpuUs: cpuNs / 1000 / count,
    etcdCpuUs: etcdCpuNs / 1000 / count,
    p50Us: elapsedMs * 1000,
    upstreamRequests: after.requests - before.counters.requests,
    ...readMemory(target.pid),
  });
}

async function connectIdle(
  watchers: WatcherProgram,
  target: Target,
  connections: number,
): Promise<void> {
  await watchers.call('connect', { port: portOf(target), connections });
  // One watcher per connection, so that what a connection allocates for its first call is not counted.
  await watchers.call('watch', planOf(target, 1, {}));
  await sleep(memorySettleMs);
}

async function sampleMemory(target: Target, subject: WatchMemoryCase): Promise<Sample> {
  using watchers = startWatchers();
  const { connections, streamsPerConnection, watchersPerStream } = subject;
  await connectIdle(watchers, target, connections);
  const before = readMemory(target.pid);
  await watchers.call('watch', planOf(target, 1, { streamsPerConnection, watchersPerStream }));
  await sleep(memorySettleMs);
  const after = readMemory(target.pid);
  const count = connections * streamsPerConnection * watchersPerStream;
  const addedKiB = (after.residentMiB - before.residentMiB) * 1024;
  return sampleOf({ watcherKiB: addedKiB / count, ...after });
}
