/**
 * One cell of the matrix: a cluster of three members of its own, one path to it, the load, one fault, and the checks. Nothing
 * is left of it at the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster } from '../support/cluster.ts';
import { Seeded } from '../support/seeded.ts';
import { until } from '../support/until.ts';
import { BulkheadPath } from './bulkhead-path.ts';
import { checkLeases } from './checks/leases.ts';
import { checkLocks } from './checks/locks.ts';
import { checkRegisters } from './checks/registers.ts';
import { checkWatch, isComplete } from './checks/watches.ts';
import { checkWrites } from './checks/writes.ts';
import type { Fault, Prepared, World } from './fault.ts';
import { FaultLink } from './fault-link.ts';
import { GrpcProxyPath } from './grpc-proxy-path.ts';
import type { Waiting } from './ledger.ts';
import { Load } from './load/load.ts';
import { directPath, namespace, type Path, type PathName } from './path.ts';
import { StoreHistory } from './store-history.ts';

const leadMs = 1_500;
/** After the end of the fault. */
const aftermathMs = 4_000;
/** Writes that were sent and not waited for have this long to arrive. */
const quietMs = 1_000;
const completeWithinMs = 20_000;

/** What is checked, by name. */
export type Violations = Readonly<
  Record<'writes' | 'watches' | 'leases' | 'locks' | 'registers' | 'process', readonly string[]>
>;

export interface CellResult {
  readonly fault: string;
  readonly path: PathName;
  readonly violations: Violations;
  /** Why etcd itself may let leases expire, and with them locks. Null if it does not. */
  readonly leasesLostByEtcd: string | null;
  readonly errors: ReadonlyMap<string, number>;
  /** In milliseconds. */
  readonly longest: Readonly<Record<Waiting, number>>;
  readonly writes: number;
  readonly acknowledged: number;
  readonly reads: number;
}

export interface CellOptions {
  readonly fault: Fault;
  readonly path: PathName;
  readonly lastsMs: number;
  readonly seed: number;
  /** Whether the proxy runs as it is shipped. Otherwise it runs from source, and its start takes longer. */
  readonly isCompiled: boolean;
}

interface PathPlan extends Prepared {
  readonly isCompiled: boolean;
}

function startPath(name: PathName, links: readonly FaultLink[], prepared: PathPlan): Promise<Path> {
  const { endpoints = links.map(({ address }) => address) } = prepared;
  switch (name) {
    case 'proxy':
      return BulkheadPath.start({ ...prepared, endpoints });
    case 'grpc-proxy':
      return GrpcProxyPath.start(endpoints);
    case 'direct':
      return Promise.resolve(directPath(endpoints));
    default:
      return name satisfies never;
  }
}

export async function runCell({
  fault,
  path: name,
  lastsMs,
  seed,
  isCompiled,
}: CellOptions): Promise<CellResult> {
  const chance = new Seeded(seed);
  await using owned = new AsyncDisposableStack();
  const cluster = owned.use(await startCluster(3, { args: fault.etcdArgs?.(owned) ?? [] }));
  const links: FaultLink[] = [];
  for (const { address } of cluster.members) links.push(owned.use(await FaultLink.to(address)));
  const prepared = (await fault.prepare?.({ cluster, links, owned })) ?? {};
  const path = owned.use(await startPath(name, links, { ...prepared, isCompiled }));
  const { addresses, prefix } = path;
  const load = owned.use(await Load.start({ addresses, prefix, chance }));
  const history = new StoreHistory(namespace);
  const world = { cluster, links, path, load, history, chance, lastsMs, owned };
  await sleep(leadMs);
  await fault.happen(world);
  await sleep(aftermathMs);
  await load.stopWriting();
  await sleep(quietMs);
  await history.readFrom(cluster.members[0]?.address ?? '');
  const leasesLostByEtcd = fault.leasesLostByEtcd?.() ?? null;
  return { fault: fault.name, leasesLostByEtcd, ...(await judge(world)) };
}

async function judge({
  load,
  history,
  path,
}: World): Promise<Omit<CellResult, 'fault' | 'leasesLostByEtcd'>> {
  const { ledger, watchers, leaseHolders } = load;
  const { events } = history;
  const isDelivered = () => watchers.every((watcher) => isComplete(watcher, events));
  // The check of the watches says what is missing.
  await until('all events', isDelivered, completeWithinMs).catch(() => {});
  const watches = watchers.flatMap((watcher) => checkWatch(watcher, events) ?? []);
  recordDelays(load);
  const operations = [...ledger.registers.values()].flat();
  const { errors, sections } = ledger;
  return {
    path: path.name,
    violations: {
      writes: checkWrites(ledger, events),
      watches,
      leases: checkLeases(leaseHolders, events),
      locks: checkLocks(sections, events),
      registers: checkRegisters(ledger),
      process: path.complaints,
    },
    errors,
    longest: {
      puts: ledger.longestMs('puts'),
      gets: ledger.longestMs('gets'),
      watches: ledger.longestMs('watches'),
      keepalives: ledger.longestMs('keepalives'),
      locks: ledger.longestMs('locks'),
    },
    writes: ledger.writes.length,
    acknowledged: ledger.writes.filter(({ acknowledged }) => acknowledged !== null).length,
    reads: operations.filter(({ writes }) => writes === undefined).length,
  };
}

/** How long events take from the response to the write to each watcher. */
function recordDelays({ ledger, watchers }: Load): void {
  const acknowledgedAt = new Map(
    ledger.writes.map(({ value, acknowledged }) => [value, acknowledged?.atMs]),
  );
  for (const { delivered } of watchers) {
    for (const { value, atMs } of delivered) {
      const from = acknowledgedAt.get(value);
      if (from !== undefined) ledger.onWaited('watches', Math.max(0, atMs - from));
    }
  }
}
