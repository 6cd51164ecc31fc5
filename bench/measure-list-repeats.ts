/**
 * Measures clients that list a watched range again and again, with a cluster of three members, while nothing is written, while
 * keys of the range are written, and while others are. One client has a connection to each member, as clientv3 has, or one to
 * the proxy.
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
import type { ListCommands } from './load/lists.ts';
import type { Program } from './load/program.ts';
import type { PutCommands } from './load/puts.ts';
import { startLists, startPuts } from './load-programs.ts';
import type { Processes } from './processes.ts';
import { rotated } from './statistics.ts';
import { namespace } from './targets.ts';
import { portOf, type Target, World } from './world.ts';

const members = 3;
const writtenKeysMax = 100;
const warmUpMs = 3_000;
const warmUpInFlight = 10;

export interface RepeatCase {
  readonly name: string;
  readonly inFlight: number;
  /** Which keys are written at the same time. */
  readonly writes: 'none' | 'inside' | 'outside';
}

export const repeatCases: readonly RepeatCase[] = (['none', 'inside', 'outside'] as const).flatMap(
  (writes) =>
    [1, 10].map((inFlight) => {
      const written = writes === 'none' ? 'no writes' : `writes ${writes}`;
      return { name: `${inFlight} in flight, ${written}`, inFlight, writes };
    }),
);

/** One round of one kind in one case. Figures without a time are per list. */
export interface RepeatSample {
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly perSecond: number;
  readonly etcdCpuMs: number;
  readonly proxyCpuMs: number;
  readonly cpuMs: number;
  readonly fromEtcdKiB: number;
  readonly etcdRequests: number;
  readonly failures: number;
}

/** By the names of a case and of a kind, a sample per round. */
export type RepeatSamples = Map<string, Map<string, RepeatSample[]>>;

interface Contender {
  readonly kind: ListKind;
  readonly target: Target;
  readonly lists: Program<ListCommands>;
  readonly responseBytes: number;
}

/** Kinds whose target does not start are added to `absent`. Rejects if a target returns other values than etcd has. */
export async function measureRepeats(
  kinds: readonly ListKind[],
  options: ListOptions,
  processes: Processes,
  absent: Map<string, string>,
): Promise<RepeatSamples> {
  const names = [...new Set(kinds.map(({ target }) => target))];
  const etcd = { command: options.etcdCommand, members };
  await using world = await World.start(names, false, processes, etcd);
  await seed(world, options);
  using stack = new DisposableStack();
  const contenders: Contender[] = [];
  for (const kind of kinds) {
    const target = world.targets.find(({ name }) => name === kind.target);
    if (target === undefined) absent.set(kind.name, world.absent.get(kind.target) ?? '');
    else contenders.push(await prepare(world, kind, target, stack));
  }
  const samples: RepeatSamples = new Map();
  for (const each of repeatCases) {
    const ofCase = new Map(kinds.map(({ name }) => [name, [] as RepeatSample[]]));
    samples.set(each.name, ofCase);
    for (let round = 0; round < options.rounds; round++) {
      for (const contender of rotated(contenders, round)) {
        const sample = await sampleOnce(world, contender, each, options);
        ofCase.get(contender.kind.name)?.push(sample);
      }
    }
  }
  return samples;
}

async function prepare(
  world: World,
  kind: ListKind,
  target: Target,
  stack: DisposableStack,
): Promise<Contender> {
  const lists = stack.use(startLists());
  const ports = target.name === 'etcd' ? world.members.map(portOf) : [portOf(target)];
  await lists.call('connect', { ports, connections: ports.length });
  await lists.call('watch', rangeOf(target, measuredRange));
  const responseBytes = await inspect(world, target, measuredRange);
  const plan = planFor(kind, target, measuredRange, responseBytes);
  await lists.call('repeat', { plan, inFlight: warmUpInFlight, ms: warmUpMs });
  return { kind, target, lists, responseBytes };
}

/** Connected to etcd directly. Null without writes. */
async function startWriter(
  world: World,
  { writes }: RepeatCase,
  { keys, valueBytes }: ListOptions,
): Promise<Program<PutCommands> | null> {
  if (writes === 'none') return null;
  const writer = startPuts();
  await writer.call('connect', {
    port: portOf(world.etcd),
    connections: 1,
    keyPrefix: namespace + (writes === 'inside' ? measuredRange : warmRange),
    keys: Math.min(keys, writtenKeysMax),
    valueBytes,
  });
  return writer;
}

async function sampleOnce(
  world: World,
  { kind, target, lists, responseBytes }: Contender,
  subject: RepeatCase,
  options: ListOptions,
): Promise<RepeatSample> {
  const plan = planFor(kind, target, measuredRange, responseBytes);
  const { inFlight } = subject;
  using writer = await startWriter(world, subject, options);
  await lists.call('repeat', { plan, inFlight, ms: warmUpMs / 10 });
  const before = await readBefore(world, target);
  const { writesPerSecond: perSecond, seconds } = options;
  const count = perSecond * seconds;
  const [listed, written] = await Promise.all([
    lists.call('repeat', { plan, inFlight, ms: seconds * 1000 }),
    writer?.call('paced', { perSecond, count }),
  ]);
  const used = await readAfter(world, target, before);
  await inspect(world, target, measuredRange);
  const perList = (figure: number) => figure / listed.lists;
  return {
    p50Ms: milliseconds(listed.p50Us),
    p99Ms: milliseconds(listed.p99Us),
    perSecond: (listed.lists / listed.elapsedMs) * 1000,
    etcdCpuMs: perList(used.etcdCpuMs),
    proxyCpuMs: perList(used.proxyCpuMs),
    cpuMs: perList(used.etcdCpuMs + used.proxyCpuMs),
    fromEtcdKiB: perList((used.etcdBytes - (written?.responseBytes ?? 0)) / 1024),
    etcdRequests: perList(used.etcdRequests - (written?.puts ?? 0)),
    failures: listed.failures,
  };
}
