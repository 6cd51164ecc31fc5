/**
 * Random ranges through a proxy with `cache-reads` against the same ranges at etcd, at the revision of each response, while
 * tenants and others write, members are killed and paused, leaders change and connections break.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import type { Etcd } from '../support/etcd.ts';
import { Relay } from '../support/relay.ts';
import { Seeded } from '../support/seeded.ts';
import { ServedProxy, type ServedTenant } from '../support/served-proxy.ts';
import { until } from '../support/until.ts';
import { type Disturbance, Disturbances } from '../watches/disturbances.ts';
import { Writer } from '../watches/writer.ts';
import { CacheCounts } from './counts.ts';
import { MonotonicReader } from './monotonic-reader.ts';
import { type Common, Observer } from './observer.ts';
import { steadyKeys, steadyPrefix } from './random-range.ts';
import { TenantView } from './tenant-view.ts';

interface Observed extends ServedTenant {
  /** What the clients of the tenant watch: key and range end. */
  readonly watches: readonly (readonly [string, string])[];
  readonly connections: number;
}

/** The first watches its whole namespace. The second has the same visible keys, and watches a part of them. */
const tenants: readonly Observed[] = [
  { name: 'one', namespace: 't1/', watches: [['\0', '\0']], connections: 6 },
  {
    ...{ name: 'two', namespace: 't10/', connections: 2 },
    watches: [
      ['a/', 'c/'],
      ['c/05', ''],
      [steadyPrefix, 's0'],
    ],
  },
];
/** Reads of one connection that are in flight at the same time. */
const lanes = 4;
/** Of one round, after which counters are read. */
const rangesPerLane = 8;
/** Read after the last write, and the time that its event has to arrive. */
const finalRanges = 500;
const restMs = 500;
const disturbanceMsMax = 1_500;
const quietMs = 1_500;
const cutEveryMs = 4_000;
const readEveryMs = 20;
const kinds: readonly Disturbance[] = ['pause', 'move', 'kill', 'move'];

export interface ComparisonOptions {
  readonly seed: number;
  /** How many ranges are read and compared. */
  readonly ranges: number;
  /** The run takes at least this long. */
  readonly forMs: number;
}

export interface ComparisonResult {
  /** Empty when all responses were right. */
  readonly problems: readonly string[];
  readonly figures: Readonly<Record<string, number>>;
  readonly disturbances: readonly string[];
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

export async function compareRanges(options: ComparisonOptions): Promise<ComparisonResult> {
  const chance = new Seeded(options.seed);
  await using cluster = await startCluster(3);
  await using relays = new AsyncDisposableStack();
  const carried: Relay[] = [];
  for (const { address } of cluster.members) carried.push(relays.use(await Relay.to(address)));
  const endpoints = carried.map(({ address }) => address);
  const served = tenants.map(({ name, namespace }) => ({ name, namespace }));
  const start = () => ServedProxy.start(endpoints, served, { 'cache-reads': true });
  using proxies = new DisposableStack();
  const [proxy, otherProxy] = (await Promise.all([start(), start()])).map((started) =>
    proxies.use(started),
  ) as [ServedProxy, ServedProxy];
  const leader = await cluster.leader();
  const steady = chance.pick(cluster.members.filter((member) => member !== leader));
  await using comparison = new Comparison({
    ...{ options, chance, cluster, steady, proxy, otherProxy },
    relays: carried,
  });
  return await comparison.run();
}

interface Parts {
  readonly options: ComparisonOptions;
  readonly chance: Seeded;
  readonly cluster: Cluster;
  readonly relays: readonly Relay[];
  /** Never disturbed: the direct reads are its reads. */
  readonly steady: Etcd;
  readonly proxy: ServedProxy;
  /** Of one client only. */
  readonly otherProxy: ServedProxy;
}

class Comparison implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #owned = new AsyncDisposableStack();
  readonly #disturbances: Disturbances;
  readonly #raw: GrpcClient;
  readonly #problems: string[] = [];
  #isOver = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#disturbances = new Disturbances(parts);
    this.#raw = this.#connect(parts.steady.address);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }

  async run(): Promise<ComparisonResult> {
    await this.#putSteadyKeys();
    await this.#watch(this.#parts.proxy);
    await this.#watch(this.#parts.otherProxy);
    const common = await this.#newCommon();
    const writers = this.#startWriters();
    const reader = this.#startReader();
    const loops = [this.#disturb(), this.#cutAgain(), this.#readAgain(common)];
    const counts = new CacheCounts(this.#parts.proxy);
    const startedAt = performance.now();
    const { ranges, forMs } = this.#parts.options;
    try {
      await this.#rounds(common, counts, ranges, forMs);
    } finally {
      this.#isOver = true;
      await Promise.all(loops);
    }
    await reader[Symbol.asyncDispose]();
    const seconds = (performance.now() - startedAt) / 1_000;
    for (const writer of writers) await writer[Symbol.asyncDispose]();
    await this.#untilRest();
    common.isAtRest = true;
    await this.#rounds(common, counts, finalRanges, 0);
    return {
      problems: [
        ...this.#problems,
        ...reader.problems,
        ...this.#parts.proxy.faults,
        ...this.#parts.otherProxy.faults,
      ],
      disturbances: this.#disturbances.log,
      figures: {
        seconds: Math.round(seconds),
        ranges: common.reads,
        compared: common.compared,
        ...Object.fromEntries(
          Array.from(common.failed, ([error, n]) => [`failed with ${error}`, n]),
        ),
        ...(await counts.figures()),
        'serializable, older than seen': common.wentBack,
        'hits of the other proxy': reader.hits,
        revisions: common.newest,
        cuts: this.#disturbances.cuts,
      },
    };
  }

  #connect(address: string): GrpcClient {
    return this.#owned.use(grpcClient(address));
  }

  async #putSteadyKeys(): Promise<void> {
    for (const { namespace } of tenants) {
      for (let from = 0; from < steadyKeys; from += 100) {
        const success = Array.from({ length: 100 }, (_, i) => ({
          request_put: {
            key: bytes(`${namespace}${steadyPrefix}${String(from + i).padStart(3, '0')}`),
            value: bytes(`steady ${from + i}`),
          },
        }));
        await this.#raw.call('etcdserverpb.KV/Txn', { success });
      }
    }
  }

  /** The streams stay open for the whole run. */
  async #watch(proxy: ServedProxy): Promise<void> {
    for (const [i, { watches }] of tenants.entries()) {
      const client = this.#connect(proxy.addresses[i] ?? '');
      const stream = this.#owned.use(client.stream('etcdserverpb.Watch/Watch'));
      for (const [key, end] of watches) {
        stream.send({ create_request: { key: bytes(key), range_end: bytes(end) } });
        await stream.next();
      }
    }
  }

  async #newCommon(): Promise<Common> {
    const { members, header } = await this.#raw.call('etcdserverpb.Cluster/MemberList', {});
    return {
      direct: this.#raw,
      chance: this.#parts.chance,
      problems: this.#problems,
      clusterId: header?.cluster_id ?? '',
      memberIds: new Set(members.map(({ ID }) => ID)),
      newest: 0,
      isAtRest: false,
      reads: 0,
      compared: 0,
      failed: new Map(),
      wentBack: 0,
    };
  }

  /** Every lease has expired, and every event has arrived. */
  async #untilRest(): Promise<void> {
    await until('end of all leases', async () => {
      const { leases } = await this.#raw.call('etcdserverpb.Lease/LeaseLeases', {});
      return leases.length === 0;
    });
    await sleep(restMs);
  }

  #startWriters(): readonly Writer[] {
    const { chance, proxy } = this.#parts;
    const writer = (name: string, client: GrpcClient, prefixes: readonly string[]) =>
      this.#owned.use(new Writer(name, client, new Seeded(chance.below(2 ** 32)), prefixes));
    const around = [...tenants.map(({ namespace }) => namespace), 'other/'];
    return [
      ...tenants.map(({ name }, i) => writer(name, this.#connect(proxy.addresses[i] ?? ''), [])),
      // One revision may change keys of both tenants, and of none.
      writer('around', this.#raw, around),
    ];
  }

  #startReader(): MonotonicReader {
    const { otherProxy, chance } = this.#parts;
    const client = this.#connect(otherProxy.addresses[0] ?? '');
    return this.#owned.use(
      new MonotonicReader(client, otherProxy, new Seeded(chance.below(2 ** 32))),
    );
  }

  /** Each connection reads in several lanes. Between rounds no read is in flight, so that the counters are exact. */
  async #rounds(common: Common, counts: CacheCounts, ranges: number, forMs: number): Promise<void> {
    const { proxy } = this.#parts;
    const observers = tenants.flatMap(({ name, namespace, connections }, i) =>
      Array.from({ length: connections }, (_, j) => {
        const client = this.#connect(proxy.addresses[i] ?? '');
        return new Observer(common, client, new TenantView(namespace), `${name} ${j}`);
      }),
    );
    const rounds = Math.ceil(ranges / (observers.length * lanes * rangesPerLane));
    const startedAt = performance.now();
    for (let round = 1; round <= rounds; round++) {
      const before = { reads: common.reads, wentBack: common.wentBack, failed: sum(common.failed) };
      await Promise.all(
        observers.flatMap((observer) =>
          Array.from({ length: lanes }, () => observer.observe(rangesPerLane)),
        ),
      );
      const { hits, misses } = await counts.sinceLast();
      const reads = common.reads - before.reads;
      const failed = sum(common.failed) - before.failed;
      const counted = hits + misses;
      if (counted > reads || counted < reads - failed) {
        this.#problems.push(`round ${round}: ${reads} reads, and ${counted} were counted`);
      }
      const wentBack = common.wentBack - before.wentBack;
      if (wentBack > misses) {
        this.#problems.push(`round ${round}: ${wentBack} reads went back, with ${misses} misses`);
      }
      const leftMs = startedAt + (forMs * round) / rounds - performance.now();
      if (leftMs > 0) await sleep(leftMs);
    }
  }

  async #disturb(): Promise<void> {
    const { chance } = this.#parts;
    for (let i = 0; !this.#isOver; i++) {
      await this.#disturbances.disturb(
        kinds[i % kinds.length] ?? 'pause',
        300 + chance.below(disturbanceMsMax),
      );
      for (let waited = 0; waited < quietMs && !this.#isOver; waited += 100) await sleep(100);
    }
  }

  async #cutAgain(): Promise<void> {
    let left = 1_000;
    for (; !this.#isOver; left -= 100) {
      await sleep(100);
      if (left > 0) continue;
      this.#disturbances.cut();
      left = this.#parts.chance.below(2 * cutEveryMs);
    }
  }

  /** Another client reads at etcd: later linearizable reads through the proxy are not older. */
  async #readAgain(common: Common): Promise<void> {
    while (!this.#isOver) {
      const request = { key: bytes('\0'), count_only: true };
      const read = this.#raw.call('etcdserverpb.KV/Range', request, { timeoutMs: 5_000 });
      const revision = await read.then(({ header }) => Number(header?.revision)).catch(() => 0);
      common.newest = Math.max(common.newest, revision);
      await sleep(readEveryMs);
    }
  }
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  return [...counts.values()].reduce((total, each) => total + each, 0);
}
