/**
 * A real proxy process in front of a real etcd, under mixed load for a while: afterwards streams, timers, sockets and
 * memory are back where they began, and memory has not grown on the way. See `verdict` for what exactly that means.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../../bench/statistics.ts';
import { grpcClient } from '../support/client.ts';
import { startEtcd } from '../support/etcd.ts';
import { Sidecar } from '../support/sidecar.ts';
import { until } from '../support/until.ts';
import type { Left } from './collect.ts';
import { Load } from './load.ts';
import {
  collecting,
  type LeftInEtcd,
  leftInEtcd,
  leftOnHeap,
  type Observation,
  observe,
} from './observation.ts';

const workers = 8;
const samples = 30;
/** What is made once and stays (code, tables, pools) is made by then. */
const warmUpMs = 4_000;
const compactEveryMs = 20_000;

/** What one run may differ by: the collector's own unsteadiness, not a leak of one object per call. */
const heapGrowthMibMax = 3;
const externalGrowthMibMax = 8;
/** The allocator gives back what is free in its own time. */
const rssGrowthMibMax = 40;
/** Of sockets and timers on the heap, where those of the last scrape come and go. */
const scrapeObjectsMax = 3;

export interface SoakResult {
  readonly before: Observation;
  readonly during: readonly Observation[];
  readonly after: Observation;
  readonly heapBefore: Left;
  readonly heapAfter: Left;
  readonly leftInEtcd: LeftInEtcd;
  readonly operations: ReadonlyMap<string, number>;
  readonly complaints: readonly string[];
  /** Empty when the run is passed. */
  readonly findings: readonly string[];
}

/** Runs for `forMs` plus a warm-up of some seconds. `onSample` receives each sample. */
export async function soak(
  forMs: number,
  seed: number,
  onSample: (observation: Observation) => void = () => {},
): Promise<SoakResult> {
  await using etcd = await startEtcd();
  await using sidecar = await Sidecar.startWith(
    collecting,
    ...[`--endpoints=${etcd.address}`, '--namespace=game/', '--transport=native'],
    ...['--drain-window=0s', '--hold=5s'],
  );
  await until('readiness', async () => (await sidecar.probe('/readyz')) === 200);
  const warmUp = new Load(sidecar.address, workers, seed + workers);
  await sleep(warmUpMs);
  await warmUp.stop();
  await quietEtcd(etcd.clientUrl);
  const heapBefore = await quietHeap(sidecar);
  const before = await observe(sidecar);

  const load = new Load(sidecar.address, workers, seed);
  const compactor = new Compactor(etcd.address);
  const compaction = setInterval(() => void compactor.compact(), compactEveryMs);
  const during: Observation[] = [];
  try {
    const startedAt = performance.now();
    for (let i = 1; i <= samples; i++) {
      await sleep(Math.max(0, startedAt + (forMs * i) / samples - performance.now()));
      const observation = await observe(sidecar);
      onSample(observation);
      during.push(observation);
    }
  } finally {
    clearInterval(compaction);
    await load.stop();
  }
  const left = await quietEtcd(etcd.clientUrl);
  const heapAfter = await quietHeap(sidecar);
  const after = await observe(sidecar);
  const { counts: operations } = load;
  const complaints = [...warmUp.complaints, ...load.complaints];
  if (sidecar.printed.includes('"event":"fault"')) complaints.push(sidecar.printed);
  const heaps = { heapBefore, heapAfter, leftInEtcd: left };
  const run = { before, during, after, ...heaps, operations, complaints };
  return { ...run, findings: verdict(run) };
}

/** What is left at etcd once feeds and shared keepalive streams without users have lingered, at most 20 s after their last user. */
async function quietEtcd(url: string): Promise<LeftInEtcd> {
  const deadline = Date.now() + 40_000;
  for (;;) {
    const left = await leftInEtcd(url);
    const isQuiet = left.watchers + left.watchStreams + left.openStreams === 0;
    if (isQuiet || Date.now() > deadline) return left;
    await sleep(500);
  }
}

/** Nothing is asked of the proxy, it has had the time to notice, and its heap has given back what it does not need. */
async function quietHeap(sidecar: Sidecar): Promise<Left> {
  await until('end of all calls', async () => (await observe(sidecar)).callsOpen === 0);
  // Connections end behind their calls, and deadlines in their own time.
  await sleep(3_000);
  return leftOnHeap(sidecar);
}

/**
 * Keeps the store from growing with every version of every key. Each time it compacts up to where the store was the time
 * before, as etcd's own compactor leaves a period behind it. Not to the newest revision: etcd reads that first and makes a
 * watch that is to begin "now" begin behind it (server/etcdserver/api/v3rpc/watch.go); when another write comes between the
 * two, the watcher has to catch up, and a compaction in that tenth of a second cancels it. 56 of 7,356 watches at etcd 3.4.23
 * alone were, with two writers and a compaction every 20 ms.
 */
class Compactor {
  readonly #address: string;
  #revision = '0';

  constructor(address: string) {
    this.#address = address;
  }

  async compact(): Promise<void> {
    using raw = grpcClient(this.#address);
    const { header } = await raw.call('etcdserverpb.KV/Range', { key: Buffer.from('x') });
    const revision = this.#revision;
    this.#revision = header?.revision ?? '0';
    if (revision !== '0') await raw.call('etcdserverpb.KV/Compact', { revision });
  }
}

/**
 * Passed is a run after which
 * - every call that began has ended, at the proxy and at etcd, and no watch is left at either;
 * - of no type of resource (sockets, pipes, …) more are active than before;
 * - no stream and no connection is on the heap that was not before, and no sockets and timers but those of the scrape;
 * - heap and external memory in use, and resident memory, are within the bounds above of what they were before;
 * - the median of each in the last third of the run is within the same bound of that in the first third.
 */
function verdict(run: Omit<SoakResult, 'findings'>): string[] {
  const { before, during, after, leftInEtcd: left, complaints } = run;
  const findings = complaints.slice(0, 10);
  const expectNone = (what: string, count: number) => {
    if (count !== 0) findings.push(`${count} ${what} left`);
  };
  expectNone('calls', after.callsOpen);
  expectNone('watch streams', after.watchStreams);
  expectNone('watchers at etcd', left.watchers);
  expectNone('watch streams at etcd', left.watchStreams);
  expectNone('streams at etcd', left.openStreams);
  for (const [type, count] of after.resources) {
    const was = before.resources.get(type) ?? 0;
    if (count > was) findings.push(`${count} of ${type} are active, ${was} were before`);
  }
  const { heapBefore, heapAfter } = run;
  for (const [type, slack] of [
    ['streams', 0],
    ['connections', 0],
    ['sockets', scrapeObjectsMax],
    ['timers', scrapeObjectsMax],
  ] as const) {
    if (heapAfter[type] <= heapBefore[type] + slack) continue;
    findings.push(`${heapAfter[type]} ${type} on the heap, ${heapBefore[type]} were before`);
  }
  const third = Math.floor(during.length / 3);
  const bounds = [
    ['heap', (each: Observation) => each.heapMib, heapGrowthMibMax],
    ['external memory', (each: Observation) => each.externalMib, externalGrowthMibMax],
    ['resident memory', (each: Observation) => each.rssMib, rssGrowthMibMax],
  ] as const;
  for (const [what, of, growthMax] of bounds) {
    const grown = (how: string, from: number, to: number) => {
      if (to - from <= growthMax) return;
      findings.push(`${what} ${how}: ${from.toFixed(1)} to ${to.toFixed(1)} MiB`);
    };
    grown('before and after', of(before), of(after));
    const thirds = [during.slice(0, third), during.slice(-third)].map((part) =>
      median(part.map(of)),
    );
    grown('in the first and the last third', thirds[0] ?? Number.NaN, thirds[1] ?? Number.NaN);
  }
  return findings;
}
