/**
 * A mirror that is killed at random moments while its source is written. At the end the destination must have had the same
 * changes in the same order, each once, and each revision of the source in one transaction. With compactions while the mirror
 * is down, changes may be missing, but the keys must be equal in the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { decodePosition, type MirrorState } from '../../src/cli/transfer/mirror/position.ts';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Program } from '../support/program.ts';
import { Seeded } from '../support/seeded.ts';
import { plain, stored } from '../support/transfer.ts';
import { until } from '../support/until.ts';
import { history, type Recorded } from './history.ts';
import { SourceWriter } from './writer.ts';

export interface TrialOptions {
  readonly kills: number;
  readonly seed: number;
  /** Whether the source is compacted while the mirror is down, now and then. */
  readonly compacts: boolean;
  /** Whether the source and the destination are killed, too, now and then. */
  readonly restartsEtcd: boolean;
  /** Keys that exist before the mirror begins. */
  readonly oldKeys: number;
  /** Whether to run the compiled program, which starts faster. */
  readonly isCompiled?: boolean;
  readonly onKill?: (kills: number) => void;
}

export interface TrialResult {
  readonly kills: number;
  readonly killsWhileCopying: number;
  /** Behind the first part of a revision that is queued in parts. */
  readonly killsWithinRevision: number;
  readonly writes: number;
  readonly sourceEvents: number;
  readonly destinationEvents: number;
  /** Events of the first copy are not counted. */
  readonly compactions: number;
  /** Complete comparisons of all keys after the first one. */
  readonly copies: number;
  readonly restarts: number;
  /** Empty if everything is as it must be. */
  readonly problems: readonly string[];
}

const from = 'source/';
const to = 'destination/';
/** Operations of one transaction of the mirror, beside its position. */
const atomicMax = 127;
/** A revision of more changes is queued in parts. */
const partChanges = 4_096;
const manyPuts = 9_000;

export async function trial(options: TrialOptions): Promise<TrialResult> {
  await using stack = new AsyncDisposableStack();
  const source = stack.use(await startEtcd({ args: [`--max-txn-ops=${manyPuts}`] }));
  const destination = stack.use(await startEtcd());
  const run = new Trial(options, source, destination);
  stack.defer(() => run.close());
  return await run.run();
}

class Trial {
  readonly #options: TrialOptions;
  readonly #source: Etcd;
  readonly #destination: Etcd;
  readonly #from: GrpcClient;
  readonly #to: GrpcClient;
  readonly #random: Seeded;
  readonly #writer: SourceWriter;
  readonly #problems: string[] = [];
  #program: Program | null = null;
  #kills = 0;
  #killsWhileCopying = 0;
  #killsWithinRevision = 0;
  #compactions = 0;
  #copies = 0;
  #restarts = 0;

  constructor(options: TrialOptions, source: Etcd, destination: Etcd) {
    this.#options = options;
    this.#source = source;
    this.#destination = destination;
    this.#from = grpcClient(source.address);
    this.#to = grpcClient(destination.address);
    this.#random = new Seeded(options.seed);
    this.#writer = new SourceWriter(this.#from, from, new Seeded(options.seed + 1));
  }

  async run(): Promise<TrialResult> {
    await this.#writeOldKeys();
    await this.#killWhileCopying();
    const sourceStart = await revisionOf(this.#from);
    const destinationStart = await revisionOf(this.#to);
    if (!this.#options.compacts) await this.#killWithinRevisions();
    this.#writer.start();
    while (this.#kills < this.#options.kills) await this.#oneKill();
    await this.#writer.stop();
    await this.#finish();
    if (this.#options.compacts) await this.#compareOnce();
    const sourceEvents = this.#options.compacts ? [] : await history(this.#from, from, sourceStart);
    const destinationEvents = this.#options.compacts
      ? []
      : await history(this.#to, to, destinationStart);
    this.#compareHistories(sourceEvents, destinationEvents);
    await this.#compareKeys();
    if (this.#copies > this.#compactions) {
      this.#problems.push(`${this.#copies} full copies after ${this.#compactions} compactions`);
    }
    return {
      kills: this.#kills,
      killsWhileCopying: this.#killsWhileCopying,
      killsWithinRevision: this.#killsWithinRevision,
      writes: this.#writer.writes,
      sourceEvents: sourceEvents.length,
      destinationEvents: destinationEvents.length,
      compactions: this.#compactions,
      copies: this.#copies,
      restarts: this.#restarts,
      problems: this.#problems,
    };
  }

  async close(): Promise<void> {
    await this.#writer.stop();
    this.#program?.[Symbol.dispose]();
    this.#from[Symbol.dispose]();
    this.#to[Symbol.dispose]();
  }

  async #writeOldKeys(): Promise<void> {
    const { oldKeys } = this.#options;
    for (let at = 0; at < oldKeys; at += 100) {
      const success = Array.from({ length: Math.min(100, oldKeys - at) }, (_, i) => ({
        request_put: {
          key: Buffer.from(`${from}old/${String(at + i).padStart(6, '0')}`),
          value: Buffer.alloc(500, at + i),
        },
      }));
      await this.#from.call('etcdserverpb.KV/Txn', { success });
    }
  }

  #start(...more: readonly string[]): Program {
    const { isCompiled = false } = this.#options;
    const args = [
      ...['mirror', `--endpoints=${this.#source.address}`, `--namespace=${from}`],
      ...[`--dest-endpoints=${this.#destination.address}`, `--dest-namespace=${to}`, ...more],
    ];
    this.#program = new Program(args, {}, { isCompiled });
    return this.#program;
  }

  async #kill(program: Program): Promise<void> {
    program.kill('SIGKILL');
    await program.ended;
    this.#kills += 1;
    const failed = /"event":"failed".*/.exec(program.out)?.[0];
    if (failed !== undefined) this.#problems.push(`the mirror failed: ${failed}`);
    if (program.err !== '') this.#problems.push(`the mirror printed: ${program.err}`);
    this.#options.onKill?.(this.#kills);
  }

  /** The first copy, interrupted several times. It must write each key once. */
  async #killWhileCopying(): Promise<void> {
    const kills = Math.ceil(this.#options.kills / 10);
    for (let i = 0; i < kills; i += 1) {
      const program = this.#start();
      await program.printed('out', /"event":"copying"/);
      await sleep(this.#random.below(40));
      await this.#kill(program);
      this.#killsWhileCopying += 1;
    }
    const program = this.#start();
    await program.printed('out', /"event":"following"/);
    const { kvs } = await this.#to.call('etcdserverpb.KV/Range', {
      key: Buffer.from(`${to}old/`),
      range_end: Buffer.from(`${to}old0`),
      keys_only: true,
    });
    const repeated = kvs.filter(({ version }) => version !== '1').length;
    if (kvs.length !== this.#options.oldKeys || repeated > 0) {
      this.#problems.push(`the first copy has ${kvs.length} keys, ${repeated} written repeatedly`);
    }
    await this.#kill(program);
  }

  /** While a revision of very many changes is applied, behind its first part. Then the rest of it is applied. */
  async #killWithinRevisions(): Promise<void> {
    const kills = Math.ceil(this.#options.kills / 10);
    let program = this.#start();
    for (let i = 0; i < kills; i += 1) {
      await program.printed('out', /"event":"following"/);
      const success = Array.from({ length: manyPuts }, (_, at) => ({
        request_put: { key: Buffer.from(`${from}many/${at}`), value: Buffer.from(`${i}`) },
      }));
      const { header } = await this.#from.call('etcdserverpb.KV/Txn', { success });
      const revision = Number(header?.revision);
      await until(
        () => `second part of revision ${revision}`,
        async () => (await this.#appliedOf(revision)) > partChanges,
      );
      await this.#kill(program);
      if ((await this.#appliedOf(revision)) < manyPuts) this.#killsWithinRevision += 1;
      program = this.#start();
      // Several such revisions in one watch response would take etcd very long, because it splits one in quadratic time.
      await until(
        () => `rest of revision ${revision}`,
        async () => (await this.#appliedOf(revision)) === manyPuts,
      );
    }
    await this.#kill(program);
  }

  /** How many changes of a revision with `manyPuts` changes the stored position has. */
  async #appliedOf(revision: number): Promise<number> {
    const state = await this.#state();
    if (state?.at !== 'following' || state.revision < revision - 1) return 0;
    return state.revision >= revision ? manyPuts : state.applied;
  }

  async #oneKill(): Promise<void> {
    const program = this.#start();
    // Mostly while it follows, sometimes while it starts.
    const isEarly = this.#random.chance(0.15);
    if (!isEarly) await program.printed('out', /"event":"following"/);
    await sleep(this.#random.below(isEarly ? 600 : 200));
    if (this.#options.restartsEtcd && this.#random.chance(0.08)) {
      const restarted = this.#random.pick([this.#source, this.#destination]);
      await restarted.restart();
      this.#restarts += 1;
      await sleep(this.#random.below(300));
    }
    await this.#kill(program);
    this.#count(program);
    if (this.#options.compacts && this.#random.chance(0.3)) await this.#compact();
  }

  async #compact(): Promise<void> {
    await sleep(20);
    try {
      await this.#from.call('etcdserverpb.KV/Compact', { revision: await revisionOf(this.#from) });
      this.#compactions += 1;
    } catch {
      // The source was just restarted.
    }
  }

  /** A copy that was interrupted before its first page begins again, so only complete ones are counted. */
  #count({ out }: Program): void {
    this.#copies += [...out.matchAll(/"event":"copied"/g)].length;
    if (!this.#options.compacts && out.includes('"event":"copying"')) {
      this.#problems.push('a copy was begun without a compaction');
    }
  }

  async #finish(): Promise<void> {
    const value = Buffer.from(`end ${performance.now()}`);
    await this.#from.call('etcdserverpb.KV/Put', { key: Buffer.from(`${from}end`), value });
    const program = this.#start();
    const key = Buffer.from(`${to}end`);
    await until(
      () => `end of the mirror: ${program.out.slice(-2_000)}${program.err}`,
      async () => {
        const { kvs } = await this.#to.call('etcdserverpb.KV/Range', { key });
        // A copy writes keys in their order, and this one is not the last.
        return kvs[0]?.value.equals(value) === true && (await this.#state())?.at === 'following';
      },
      60_000,
    );
    program.kill('SIGKILL');
    await program.ended;
    this.#count(program);
  }

  /**
   * Keys of the destination get a lease, and then a mirror with --once compares everything. It must end although the destination
   * is restarted meanwhile, and the keys must outlive the lease.
   */
  async #compareOnce(): Promise<void> {
    const { ID: lease } = await this.#to.call('etcdserverpb.Lease/LeaseGrant', { TTL: '600' });
    for (const { key, value } of (await stored(this.#to, to)).slice(0, 5)) {
      const put = { key: Buffer.concat([Buffer.from(to), key]), value, lease };
      await this.#to.call('etcdserverpb.KV/Put', put);
    }
    const program = this.#start('--once', '--force', '--max-outage=20s');
    if (this.#options.restartsEtcd) {
      await program.printed('out', /"event":"copying"/);
      await this.#destination.restart();
      this.#restarts += 1;
    }
    const [code] = await program.ended;
    if (code !== 0) this.#problems.push(`--once ended with ${code}: ${program.out.slice(-500)}`);
    await this.#to.call('etcdserverpb.Lease/LeaseRevoke', { ID: lease });
  }

  /** What the stored position says: the lines of the mirror arrive later. */
  async #state(): Promise<MirrorState | undefined> {
    const key = Buffer.from(`etcd-bulkhead/mirror/${to}`);
    const { kvs } = await this.#to.call('etcdserverpb.KV/Range', { key });
    return decodePosition(kvs[0]?.value ?? Buffer.alloc(0))?.state;
  }

  async #compareKeys(): Promise<void> {
    const [expected, found] = [await stored(this.#from, from), await stored(this.#to, to)];
    if (JSON.stringify(plain(expected)) === JSON.stringify(plain(found))) return;
    this.#problems.push(`the source has ${expected.length} keys, the destination ${found.length}`);
  }

  #compareHistories(source: readonly Recorded[], destination: readonly Recorded[]): void {
    const length = Math.max(source.length, destination.length);
    for (let at = 0; at < length; at += 1) {
      if (source[at]?.text === destination[at]?.text) continue;
      const short = (each: Recorded | undefined) => each?.text.slice(0, 60);
      this.#problems.push(
        `change ${at} is ${short(destination[at])} instead of ${short(source[at])}`,
      );
      return;
    }
    for (let at = 0; at < length; ) {
      const revision = source[at]?.revision;
      let end = at;
      while (source[end]?.revision === revision) end += 1;
      const revisions = new Set(destination.slice(at, end).map((each) => each.revision));
      if (end - at <= atomicMax && revisions.size !== 1) {
        this.#problems.push(
          `revision ${revision} of the source is in ${revisions.size} transactions`,
        );
      }
      at = end;
    }
  }
}

async function revisionOf(client: GrpcClient): Promise<number> {
  const { header } = await client.call('etcdserverpb.KV/Range', { key: Buffer.from('x') });
  return Number(header?.revision);
}
