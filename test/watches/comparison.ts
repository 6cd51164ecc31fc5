/**
 * A thousand watches through the proxy, with shared feeds, and the same watches opened directly at a member, while two tenants
 * and others write, members are killed and paused, connections break, and revisions are compacted. Every watch is compared
 * with the history of the store. The direct watches prove the checks: etcd itself must pass them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import type { Etcd } from '../support/etcd.ts';
import { ordersProgress, progressNotifyFlag } from '../support/etcd-release.ts';
import { Relay } from '../support/relay.ts';
import { Seeded } from '../support/seeded.ts';
import { ServedProxy, type ServedTenant } from '../support/served-proxy.ts';
import { until } from '../support/until.ts';
import { Compactions } from './compactions.ts';
import { type Disturbance, Disturbances } from './disturbances.ts';
import { type Figures, proxyFigures, watchFigures } from './figures.ts';
import { History } from './history.ts';
import type { ObservedStream } from './observed-stream.ts';
import { Reference } from './reference.ts';
import { TenantWatches } from './tenant-watches.ts';
import { bigPrefix } from './watch-spec.ts';
import { Writer } from './writer.ts';

/** The second has the same visible keys, and its stored ones come directly after those of the first. */
const tenants: readonly ServedTenant[] = [
  { name: 'one', namespace: 't1/' },
  { name: 'two', namespace: 't10/' },
];
const shareOfSecond = 0.3;
/** Keys without a tenant, beside the namespaces. */
const strangers = ['t1', 't1.', 't10', 't10.', 't2/'];
const bigValueBytes = 560_000;
const compactEveryMs = 1_000;
/** A member that is killed takes longer, since it has to start again. */
const disturbanceMsMax = 3_000;
/** Longer than any disturbance. */
const oldMs = 6_000;
const completeWithinMs = 30_000;
const actEveryMs = 60;
const cutEveryMs = 800;
/** Events that must not come have this long to arrive. */
const quietMs = 500;
const everything = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };

export interface ComparisonOptions {
  readonly seed: number;
  readonly watches: number;
  /** How long members are disturbed. */
  readonly forMs: number;
}

export interface ComparisonResult {
  /** Empty when all watches were right. */
  readonly problems: readonly string[];
  /** How each client stream through the proxy was lost, except those that require a leader and had none. */
  readonly losses: readonly string[];
  /** What the run had, by name. */
  readonly figures: Figures;
  readonly disturbances: readonly string[];
}

export async function compareWatches(options: ComparisonOptions): Promise<ComparisonResult> {
  const chance = new Seeded(options.seed);
  // A feed without events learns its position from these notifications: often, or practically never.
  const notifiesOften = chance.chance(0.5);
  const notify = progressNotifyFlag(notifiesOften ? '500ms' : '10m');
  await using cluster = await startCluster(3, { args: [notify] });
  await using relays = new AsyncDisposableStack();
  const members = { cluster, steady: await steadyMember(cluster, chance), relays: [] as Relay[] };
  for (const { address } of cluster.members) {
    members.relays.push(relays.use(await Relay.to(address)));
  }
  const endpoints = members.relays.map(({ address }) => address);
  using proxy = await ServedProxy.start(endpoints, tenants);
  await using comparison = new Comparison({ ...members, notifiesOften, options, chance, proxy });
  await comparison.run();
  return await comparison.result();
}

/** The member that the history is read from. Mostly not the leader, so that there are elections. */
async function steadyMember(cluster: Cluster, chance: Seeded): Promise<Etcd> {
  const leader = await cluster.leader();
  const others = cluster.members.filter((member) => member !== leader);
  return chance.chance(0.25) ? leader : chance.pick(others);
}

const bytes = (text: string) => Buffer.from(text, 'latin1');

/** etcd ends a stream that requires a leader while its member has none. */
const isLeaderLost = ({ options }: ObservedStream, loss: string) =>
  options.requiresLeader && loss.includes('etcdserver: no leader');

interface Parts {
  readonly options: ComparisonOptions;
  readonly chance: Seeded;
  readonly cluster: Cluster;
  readonly relays: readonly Relay[];
  readonly steady: Etcd;
  readonly notifiesOften: boolean;
  readonly proxy: ServedProxy;
}

class Comparison implements AsyncDisposable {
  readonly #options: ComparisonOptions;
  readonly #chance: Seeded;
  readonly #proxy: ServedProxy;
  readonly #owned = new AsyncDisposableStack();
  /** Of the steady member. */
  readonly #raw: GrpcClient;
  readonly #history: History;
  readonly #store = new Compactions();
  readonly #disturbances: Disturbances;
  readonly #clients: readonly GrpcClient[];
  readonly #watches: readonly TenantWatches[];
  readonly #notifiesOften: boolean;
  #writers: readonly Writer[] = [];
  /** Before, compactions may be as new as the store. */
  #halfAtMs = Number.POSITIVE_INFINITY;
  #isOver = false;
  #problems: string[] = [];
  #completeAfterMs = 0;

  constructor(parts: Parts) {
    const { options, chance, steady, notifiesOften, proxy } = parts;
    const connect = (address: string) => this.#owned.use(grpcClient(address));
    this.#options = options;
    this.#notifiesOften = notifiesOften;
    this.#chance = chance;
    this.#proxy = proxy;
    this.#raw = connect(steady.address);
    this.#history = this.#owned.use(new History(connect(steady.address)));
    this.#disturbances = new Disturbances(parts);
    this.#clients = proxy.addresses.map(connect);
    this.#watches = tenants.map(({ name, namespace }, i) =>
      this.#owned.use(
        new TenantWatches({
          name,
          namespace,
          proxyAddress: proxy.addresses[i] ?? '',
          directAddress: steady.address,
          chance,
          store: this.#store,
          ordersProgress: ordersProgress(),
          knownRevision: () => this.#knownRevision,
          notifiesOften,
          wasDisturbed: (from, to) => this.#disturbances.overlaps(from, to),
        }),
      ),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#owned.disposeAsync();
  }

  /** Resolves when all watches have been compared. */
  async run(): Promise<void> {
    for (const key of strangers) await this.#raw.call('etcdserverpb.KV/Put', { key: bytes(key) });
    await this.#putBig();
    this.#startWriters();
    // There must be a past before the first watch.
    await this.#history.reaches(100);
    await this.#compact();
    this.#halfAtMs = performance.now() + this.#options.forMs / 2;
    const loops = [
      ...[this.#create(), this.#act(), this.#cutAgain()],
      ...[this.#compactAgain(), this.#compactTenants()],
    ];
    try {
      await this.#disturb();
      await this.#putBig();
    } finally {
      this.#isOver = true;
      await Promise.all(loops);
    }
    for (const writer of this.#writers) await writer[Symbol.asyncDispose]();
    for (const watches of this.#watches) await watches.settle();
    await this.#compare();
  }

  async result(): Promise<ComparisonResult> {
    const streams = this.#watches.flatMap((each) => each.streams);
    const losses = streams.flatMap((stream) =>
      stream.losses.map((text) => ({ text, isExpected: isLeaderLost(stream, text) })),
    );
    return {
      problems: [...this.#problems, ...this.#proxy.faults],
      losses: losses.flatMap(({ text, isExpected }) => (isExpected ? [] : [text])),
      disturbances: this.#disturbances.log,
      figures: {
        ...watchFigures(this.#watches),
        ...(await proxyFigures(this.#proxy)),
        revisions: this.#history.position,
        compactions: this.#store.count,
        'cut connections': this.#disturbances.cuts,
        'streams without a leader': losses.filter(({ isExpected }) => isExpected).length,
        'notifies often': Number(this.#notifiesOften),
        'complete after ms': Math.round(this.#completeAfterMs),
      },
    };
  }

  /** A revision that was acknowledged. */
  get #knownRevision(): number {
    return Math.max(0, ...this.#writers.map(({ revision }) => revision));
  }

  #startWriters(): void {
    const writer = (name: string, client: GrpcClient, prefixes: readonly string[]) =>
      this.#owned.use(new Writer(name, client, new Seeded(this.#chance.below(2 ** 32)), prefixes));
    const namespaces = tenants.map(({ namespace }) => namespace);
    const around = [...namespaces, ...namespaces, ...strangers, ''];
    this.#writers = [
      ...this.#clients.map((client, i) => writer(tenants[i]?.name ?? '', client, [])),
      // One revision may change keys of both tenants, and others.
      writer('around', this.#raw, around),
    ];
  }

  /** A revision so large that it is cut into fragments if previous values are reported. */
  async #putBig(): Promise<void> {
    for (const { namespace } of tenants) {
      const success = ['0', '1'].map((name) => {
        const value = Buffer.alloc(bigValueBytes, `${this.#chance.below(2 ** 32)} `);
        return { request_put: { key: bytes(`${namespace}${bigPrefix}${name}`), value } };
      });
      await this.#raw.call('etcdserverpb.KV/Txn', { success }, { timeoutMs: 30_000 });
    }
  }

  /** A part of the watches at once, the others all the time. */
  async #create(): Promise<void> {
    const { watches, forMs } = this.#options;
    const startedAt = performance.now();
    for (let i = 0; i < watches; ) {
      const share = this.#isOver ? 1 : 0.3 + (performance.now() - startedAt) / forMs;
      for (; i < Math.min(watches, watches * share); i++) {
        const tenant = this.#watches[this.#chance.chance(shareOfSecond) ? 1 : 0];
        tenant?.add({ revision: this.#knownRevision, compacted: this.#store.acknowledged });
      }
      await sleep(50);
    }
  }

  async #act(): Promise<void> {
    while (!this.#isOver) {
      for (const watches of this.#watches) watches.act();
      await sleep(this.#chance.below(2 * actEveryMs));
    }
  }

  async #disturb(): Promise<void> {
    const { forMs } = this.#options;
    const endAt = performance.now() + forMs;
    const kinds: Disturbance[] = this.#chance.chance(0.5) ? ['kill', 'pause'] : ['pause', 'kill'];
    for (let i = 0; performance.now() < endAt; i++) {
      await sleep(1_000);
      const kind = kinds[i % kinds.length] ?? 'kill';
      await this.#disturbances.disturb(kind, 500 + this.#chance.below(disturbanceMsMax));
    }
    await sleep(1_000);
  }

  async #cutAgain(): Promise<void> {
    while (!this.#isOver) {
      await sleep(this.#chance.below(2 * cutEveryMs));
      this.#disturbances.cut();
    }
  }

  async #compactAgain(): Promise<void> {
    while (!this.#isOver) {
      await sleep(this.#chance.below(2 * compactEveryMs));
      await this.#compact();
    }
  }

  /**
   * Mostly what is old, as etcd's own compactor does. In the first half of the run also up to now, which cancels every watch
   * that was separated from etcd just before. Nothing that is not in the history yet.
   */
  async #compact(): Promise<void> {
    const isOld = performance.now() > this.#halfAtMs || this.#chance.chance(0.7);
    const now = this.#history.position - this.#chance.pick([0, 0, 5, 50]);
    const revision = isOld ? this.#history.positionAt(performance.now() - oldMs) : now;
    if (revision <= this.#store.newest) return;
    const onCompacted = this.#store.begin(revision, isOld);
    await this.#raw.call('etcdserverpb.KV/Compact', { revision }).then(onCompacted, () => {});
  }

  /** The first tenant compacts, the second must not notice. */
  async #compactTenants(): Promise<void> {
    const [client] = this.#clients;
    const [watches] = this.#watches;
    if (client === undefined || watches === undefined) return;
    while (!this.#isOver) {
      await sleep(this.#chance.below(4 * compactEveryMs));
      const { compactions } = watches;
      const revision = this.#knownRevision - this.#chance.below(50);
      if (revision <= compactions.newest) continue;
      const onCompacted = compactions.begin(revision, false);
      await client.call('etcdserverpb.KV/Compact', { revision }).then(onCompacted, () => {});
    }
  }

  /** Every lease has expired: nothing is written any more. */
  async #untilQuiet(): Promise<void> {
    await until('end of all leases', async () => {
      const { leases } = await this.#raw.call('etcdserverpb.Lease/LeaseLeases', {});
      return leases.length === 0;
    });
  }

  async #compare(): Promise<void> {
    await this.#untilQuiet();
    const stored = await this.#raw.call('etcdserverpb.KV/Range', everything);
    await this.#history.reaches(Number(stored.header?.revision));
    this.#problems = this.#history.verify(stored.kvs);
    const compared = this.#watches.map((watches) => ({
      watches,
      reference: new Reference(this.#history.of(watches.sight), this.#store),
    }));
    const isComplete = () =>
      compared.every(({ watches, reference }) => watches.isComplete(reference));
    const startedAt = performance.now();
    // The comparison says what is missing.
    await until('all events', isComplete, completeWithinMs).catch(() => {});
    this.#completeAfterMs = performance.now() - startedAt;
    await sleep(quietMs);
    for (const { watches, reference } of compared) {
      this.#problems.push(...watches.compare(reference));
    }
  }
}
