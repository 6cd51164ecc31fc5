/** One scenario: a world drawn from a seed, a plan that runs in it, and the invariants that are checked after it. */
import type { CacheStats } from '../../src/cache/cache-context.ts';
import { Call } from '../../src/call/call.ts';
import { method } from '../../src/etcd/methods.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import type { HubLimits } from '../../src/watch/hub/hub-context.ts';
import { Seeded } from '../support/seeded.ts';
import type { RestoreAction } from './call-action.ts';
import { Calls } from './calls.ts';
import { Client } from './client.ts';
import { Connection } from './connection.ts';
import { describe } from './describe.ts';
import { drawFaults } from './faults.ts';
import { invariants, invariantsOfRestored } from './invariants/all.ts';
import { checkBounded } from './invariants/bounded.ts';
import { checkCacheBounded, checkCacheNoLeak } from './invariants/cache-bounded.ts';
import type { History } from './invariants/invariant.ts';
import { checkNoLeak } from './invariants/no-leak.ts';
import { Member } from './member.ts';
import { type Moment, ObservedStream } from './observation.ts';
import { type Action, drawPlan, type Plan, type StartKind } from './plan.ts';
import { SimulatedProxy } from './proxy.ts';
import { withReads } from './read-plan.ts';
import { drawCacheLimits, drawLimits, tenantNamed } from './settings.ts';
import { SimulatedClock, SimulatedTime } from './simulated-time.ts';
import { Store } from './store.ts';
import { Upstream } from './upstream.ts';
import { headerField } from './wire.ts';

const watchMethod = method('etcdserverpb.Watch/Watch');
/** Writes that no tenant sees. */
const outside = 'outside';
/** Longer than all timeouts of the hub, so that whatever is still missing then never comes. */
const quietMs = 12_000;
const violationsMax = 20;

export interface Outcome {
  readonly seed: number;
  readonly plan: Plan;
  readonly violations: readonly string[];
  /** What each stream sent and received, for a person to read. */
  readonly describe: () => string;
  readonly delivered: number;
  readonly cache: CacheStats;
  readonly store: Store;
  readonly calls: Calls;
}

/** A generator of its own for each part, so that a change of the plan does not change the faults. */
function seededPart(seed: number, part: number): Seeded {
  return new Seeded(Math.imul(seed ^ (part * 0x9e37_79b9), 0x85eb_ca6b) ^ (seed >>> 13));
}

export function planOf(seed: number): Plan {
  return withReads(drawPlan(seededPart(seed, 1)), seededPart(seed, 6));
}

/** Runs a scenario. `plan` replaces the one that belongs to the seed. */
export function runScenario(seed: number, plan: Plan = planOf(seed)): Outcome {
  return new Scenario(seed, plan).run();
}

class Scenario {
  readonly #seed: number;
  readonly #plan: Plan;
  readonly #violations: string[] = [];
  readonly #time = new SimulatedTime();
  readonly #clock = new SimulatedClock(this.#time);
  readonly #store = new Store();
  readonly #members: readonly Member[];
  readonly #upstream: Upstream;
  readonly #proxy: SimulatedProxy;
  readonly #limits: HubLimits;
  readonly #tenants: readonly Tenant[];
  readonly #connections: readonly Connection[];
  readonly #calls: Calls;
  readonly #clients = new Map<number, Client>();
  readonly #clientRandom: Seeded;
  readonly #slowness: number;
  readonly #fragility: number;

  constructor(seed: number, plan: Plan) {
    this.#seed = seed;
    this.#plan = plan;
    const settings = seededPart(seed, 2);
    const network = seededPart(seed, 3);
    this.#clientRandom = seededPart(seed, 4);
    const hubRandom = seededPart(seed, 5);
    const lagMsMax = settings.pick([0, 10, 50, 300]);
    const isOld = settings.chance(0.2);
    this.#members = Array.from(
      { length: plan.members },
      (_, id) => new Member({ id: id + 1, isOld, lagMsMax }, this.#store, this.#time, network),
    );
    this.#upstream = new Upstream({
      store: this.#store,
      members: this.#members,
      time: this.#time,
      random: network,
      faults: drawFaults(settings),
      onUnary: (call) => this.#calls.onPassed(call),
      onCommitted: (call) => {
        this.#calls.onCommitted(call);
        this.#committed();
      },
      onViolation: this.#report,
    });
    this.#limits = drawLimits(settings);
    this.#slowness = settings.pick([0, 0, 0.05, 0.4]);
    this.#fragility = settings.pick([0, 0, 0.02, 0.1]);
    this.#tenants = Array.from({ length: plan.tenants }, (_, i) =>
      tenantNamed(`t${i}`, plan.cachesReads),
    );
    this.#connections = plan.connections.map((has, i) => new Connection(i, has));
    this.#proxy = new SimulatedProxy({
      clock: this.#clock,
      time: this.#time,
      random: hubRandom,
      upstream: this.#upstream,
      hubLimits: this.#limits,
      cacheLimits: drawCacheLimits(seededPart(seed, 7)),
      isOrdered: !isOld,
    });
    this.#calls = new Calls({
      etcd: this.#proxy.etcd,
      store: this.#store,
      time: this.#time,
      connections: this.#connections,
      moment: (tenant) => this.#moment(tenant),
      onViolation: this.#report,
    });
    this.#time.afterTurn = () => {
      checkBounded(this.#proxy.hub, this.#limits, this.#report);
      checkCacheBounded(this.#proxy.cache, this.#tenants.length, this.#report);
    };
  }

  readonly #report = (what: string): void => {
    if (this.#violations.length < violationsMax) {
      this.#violations.push(`${what} (at ${this.#time.nowMs} ms)`);
    }
  };

  run(): Outcome {
    try {
      this.#live();
      this.#check();
      this.#leave();
    } catch (error) {
      this.#report(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    return {
      seed: this.#seed,
      plan: this.#plan,
      violations: this.#violations,
      describe: () => describe(this.#streams(), this.#calls),
      delivered: this.#proxy.hub.stats.deliveredEvents,
      cache: this.#proxy.cache.stats,
      store: this.#store,
      calls: this.#calls,
    };
  }

  #streams(): readonly ObservedStream[] {
    return Array.from(this.#clients.values(), ({ observed }) => observed);
  }

  /** Runs the plan, then everything becomes quiet, and a last transaction touches every key. */
  #live(): void {
    const { initial, actions, durationMs } = this.#plan;
    for (const action of initial) this.#act(action);
    // As if the members had been up for long.
    this.#time.runUntil(500);
    for (const { atMs, action } of actions) this.#time.after(atMs, () => this.#act(action));
    this.#time.runUntil(500 + durationMs);
    this.#upstream.calm();
    for (const member of this.#members) member.lagMsMax = 0;
    for (const client of this.#clients.values()) this.#time.runNow(() => client.calm());
    this.#calls.calm();
    this.#runFor(quietMs);
    const operations = ['a', 'ab', 'b', 'ba', 'c'].map((key) => ({
      key,
      isDelete: false,
      padding: 0,
    }));
    for (const { name } of this.#tenants) this.#write(name, operations);
    // Without events for any watch: only a progress response reports this revision.
    this.#write(outside, [{ key: 'a', isDelete: false, padding: 0 }]);
    this.#runFor(1_000);
    for (const client of this.#clients.values()) this.#time.runNow(() => client.requestProgress());
    this.#runFor(2_000);
  }

  #check(): void {
    const isOld = this.#members.some((member) => member.isOld);
    const history: History = {
      store: this.#store,
      streams: this.#streams(),
      reads: this.#calls.reads,
      writes: this.#calls.writes,
      cacheLimits: this.#proxy.cache.limits,
      failedFences: this.#upstream.failedFences,
      isOrdered: !isOld,
      acceptsNegative: isOld,
    };
    const held = this.#store.epoch > 0 ? invariantsOfRestored : invariants;
    for (const { name, check } of held) {
      check(history, (what) => this.#report(`${name}: ${what}`));
    }
    const { watchers } = this.#proxy.hub.stats;
    if (this.#proxy.total.openWatches !== watchers) {
      this.#report(
        `counted: ${this.#proxy.total.openWatches} open watches, and there are ${watchers}`,
      );
    }
  }

  #leave(): void {
    for (const client of this.#clients.values()) this.#time.runNow(() => client.cancel());
    this.#runFor(2 * this.#limits.lingerMs + quietMs);
    const { hub, total, cache } = this.#proxy;
    checkNoLeak(hub, total, this.#upstream, this.#clock, this.#report);
    checkCacheNoLeak(cache, this.#upstream, this.#report);
  }

  #runFor(forMs: number): void {
    this.#time.runUntil(this.#time.nowMs + forMs);
  }

  #moment(tenant: Tenant): Moment {
    return {
      turn: this.#time.turn,
      atMs: this.#time.nowMs,
      epoch: this.#store.epoch,
      committed: this.#store.revision,
      compacted: this.#store.compactRevision,
      floor: tenant.state.floor.revision,
    };
  }

  #act(action: Action): void {
    switch (action.kind) {
      case 'write':
        this.#write(this.#tenants[action.tenant]?.name ?? outside, action.operations);
        break;
      case 'compact':
        if (this.#store.compact(this.#store.revision - action.back)) this.#committed();
        break;
      case 'raise-floor': {
        const revision = this.#store.revision - action.back;
        const header = headerField(1, this.#store.revision).subarray(2);
        this.#tenant(action.tenant).state.floor.raise(revision, header);
        break;
      }
      case 'open':
        this.#open(action);
        break;
      case 'create': {
        const startRevision = this.#startRevision(action.start);
        this.#clients.get(action.stream)?.create({ ...action.create, startRevision });
        break;
      }
      case 'cancel':
        this.#clients.get(action.stream)?.cancelWatch(action.watchId);
        break;
      case 'cancel-newest':
        this.#cancelNewest(this.#clients.get(action.stream));
        break;
      case 'progress':
        this.#clients.get(action.stream)?.requestProgress();
        break;
      case 'half-close':
        this.#clients.get(action.stream)?.halfClose();
        break;
      case 'pause':
        this.#clients.get(action.stream)?.pause(action.forMs);
        break;
      case 'disconnect':
        this.#clients.get(action.stream)?.cancel();
        break;
      case 'stall':
        this.#members[action.member]?.stall(action.forMs);
        break;
      case 'cut':
        this.#upstream.cut(action.upstream);
        break;
      case 'lose-leader':
        this.#upstream.loseLeader();
        break;
      case 'read':
        this.#calls.read(this.#tenant(action.tenant), action);
        break;
      case 'txn':
        this.#calls.write(this.#tenant(action.tenant), action);
        break;
      case 'restore':
        this.#restore(action);
        break;
      case 'rewind':
        this.#upstream.rewind(action.member, action.entries, action.forMs);
        break;
      default:
        action satisfies never;
    }
  }

  #tenant(index: number): Tenant {
    return this.#tenants[index] as Tenant;
  }

  #write(tenant: string, operations: Parameters<Store['commit']>[1]): void {
    if (this.#upstream.isDown) return;
    if (!this.#store.commit(tenant, operations)) return;
    this.#calls.onDirectWrite();
    this.#committed();
  }

  #committed(): void {
    for (const member of this.#members) member.onCommitted();
  }

  #restore({ back, downMs }: RestoreAction): void {
    if (this.#upstream.isDown) return;
    this.#upstream.stop(downMs);
    this.#time.after(downMs, () => {
      this.#store.restore(this.#store.revision - back);
      this.#upstream.start();
    });
  }

  #startRevision(start: StartKind): number {
    const { revision, compactRevision } = this.#store;
    switch (start.from) {
      case 'now':
        return 0;
      case 'current':
        return Math.max(1, revision + start.offset);
      case 'compaction':
        return Math.max(1, compactRevision + start.offset);
      case 'revision':
        return start.revision;
      default:
        return start satisfies never;
    }
  }

  #open({ stream, tenant: index, requiresLeader }: Action & { kind: 'open' }): void {
    const tenant = this.#tenant(index);
    const connection = this.#connections[stream % this.#connections.length] as Connection;
    const client = new Client({
      connection,
      observed: new ObservedStream(`stream ${stream}`, tenant.name, requiresLeader),
      time: this.#time,
      random: this.#clientRandom,
      slowness: this.#slowness,
      fragility: this.#fragility,
      moment: () => this.#moment(tenant),
      onViolation: this.#report,
    });
    this.#clients.set(stream, client);
    const metadata = requiresLeader ? ['hasleader', 'true'] : [];
    const { peer } = connection;
    const call = new Call({ method: watchMethod, metadata, deadlineMs: Infinity, peer });
    call.tenant = tenant;
    client.open((responses) => this.#proxy.etcd.stream(call, responses));
  }

  /** The client cancels its newest watch by the ID that it expects, also before it has the response to the create. */
  #cancelNewest(client: Client | undefined): void {
    const newest = client?.observed.watches.at(-1);
    if (client === undefined || newest === undefined) return;
    const { watches } = client.observed;
    const guess = newest.create.watchId === 0 ? watches.length - 1 : newest.create.watchId;
    client.cancelWatch(newest.created?.watchId ?? guess);
  }
}
