/** The reads and transactions of clients in a scenario, and restores of the store. They are added to a plan of watches. */
import type { Seeded } from '../support/seeded.ts';
import type { ReadAction, TxnAction } from './call-action.ts';
import { type Action, drawOperations, keys, type Plan, type TimedAction } from './plan.ts';
import { plainRead, type ReadSpec, sortOrders, sortTargets } from './read-spec.ts';
import type { Range } from './store.ts';
import { plainCreate } from './wire.ts';

const lists: readonly Range[] = [
  { key: 'a', end: '\0' },
  { key: '', end: '\0' },
  { key: 'a', end: 'b' },
];

/** Returns the plan with reads, or without in a part of the scenarios. */
export function withReads(watches: Plan, random: Seeded): Plan {
  if (random.chance(0.4) || hasLongValues(watches)) return watches;
  const isRestored = random.chance(0.08);
  const plan = isRestored || random.chance(0.5) ? withSteadyWatch(watches, random) : watches;
  const connections = Array.from({ length: 1 + random.below(3) }, () => random.chance(0.05));
  const drawer = new ReadDrawer(random, plan, connections.length);
  const { durationMs } = plan;
  const actions: TimedAction[] = [...plan.actions];
  const add = (atMs: number, action: Action) => actions.push({ atMs, action });
  // Most watches exist after a quarter of the time. The last reads are made while everything is quiet.
  const readMs = () => (durationMs >> 3) + random.below(durationMs + 400);
  for (let i = random.below(random.pick([6, 15, 30])); i > 0; i--) drawer.burst(readMs(), add);
  for (let i = random.below(random.pick([2, 15, 25])); i > 0; i--) add(readMs(), drawer.txn());
  if (isRestored) {
    const downMs = random.pick([1, 50, 400]);
    const atMs = (durationMs >> 2) + random.below(durationMs);
    add(atMs, { kind: 'restore', back: 1 + random.below(8), downMs });
    // The ranges are in memory when it happens, and are read after it.
    for (let i = random.below(6); i > 0; i--) drawer.burst(random.below(atMs), add);
    const laterMs = () => atMs + downMs + random.below(600);
    for (let i = random.below(12); i > 0; i--) drawer.burst(laterMs(), add);
    for (let i = random.below(12); i > 0; i--) add(laterMs(), drawer.txn());
  }
  if (random.chance(0.15)) {
    const member = random.below(plan.members);
    const forMs = random.pick([0, 100, 800]);
    add(random.below(durationMs), { kind: 'rewind', member, entries: 1 + random.below(12), forMs });
  }
  actions.sort((a, b) => a.atMs - b.atMs);
  return { ...plan, connections, cachesReads: true, actions };
}

/** Values that are there for fragments would only make reads slow. */
function hasLongValues({ initial, actions }: Plan): boolean {
  const all = [...initial, ...actions.map(({ action }) => action)];
  return all.some(
    (action) => action.kind === 'write' && action.operations.some(({ padding }) => padding > 1_000),
  );
}

/** A watch of a list that no action ends. */
function withSteadyWatch(plan: Plan, random: Seeded): Plan {
  const stream = plan.streams;
  const open: Action = { kind: 'open', stream, tenant: 0, requiresLeader: random.chance(0.1) };
  const range = random.pick(lists);
  const create: Action = {
    ...{ kind: 'create', stream, start: { from: 'now' } },
    create: { ...plainCreate, ...range, progressNotify: random.chance(0.4) },
  };
  const actions = [open, create].map((action) => ({ atMs: 0, action }));
  return { ...plan, streams: stream + 1, actions: [...actions, ...plan.actions] };
}

class ReadDrawer {
  readonly #random: Seeded;
  readonly #plan: Plan;
  readonly #connections: number;
  /** Ranges that clients watch, by tenant. */
  readonly #watched: readonly (readonly Range[])[];
  /** Share of the reads of a scenario that are serializable. */
  readonly #serializable: number;

  constructor(random: Seeded, plan: Plan, connections: number) {
    this.#random = random;
    this.#plan = plan;
    this.#connections = connections;
    this.#serializable = random.pick([0, 0.3, 0.3, 0.7]);
    this.#watched = Array.from({ length: plan.tenants }, (_, tenant) =>
      watchedRanges(plan, tenant),
    );
  }

  /** Clients that start together read the same range, like the replicas of a service. */
  burst(atMs: number, add: (atMs: number, action: Action) => void): void {
    const random = this.#random;
    if (random.chance(0.5)) {
      const { streams } = this.#plan;
      const stream = random.chance(0.5) ? streams - 1 : random.below(streams);
      add(atMs + random.below(40), { kind: 'progress', stream });
    }
    // While pages are read, or while a read waits for its revision.
    if (random.chance(0.3)) add(atMs + random.below(60), this.txn());
    const tenant = random.below(this.#plan.tenants);
    const range = this.#range(tenant);
    for (let n = random.pick([1, 2, 3, 5]); n > 0; n--) {
      add(
        atMs + random.below(40),
        this.#read(tenant, random.chance(0.8) ? range : this.#range(tenant)),
      );
    }
  }

  #read(tenant: number, range: Range): ReadAction {
    const random = this.#random;
    return {
      kind: 'read',
      connection: random.below(this.#connections),
      tenant,
      read: this.#spec(range),
      requiresLeader: random.chance(0.04),
      pauseMs: random.chance(0.04) ? random.pick([1, 50, 500]) : 0,
      leaveMs: random.chance(0.04) ? 1 + random.below(60) : 0,
      timeoutMs: random.chance(0.05) ? random.pick([5, 100, 1_000]) : 0,
    };
  }

  txn(): TxnAction {
    const random = this.#random;
    const tenant = random.below(this.#plan.tenants);
    const connection = random.below(this.#connections);
    return { kind: 'txn', connection, tenant, operations: drawOperations(random, [0, 0, 150]) };
  }

  #range(tenant: number): Range {
    const random = this.#random;
    const watched = this.#watched[tenant] ?? [];
    const at = random.below(100);
    if (at < 70 && watched.length > 0) return random.pick(watched);
    if (at < 80) return { key: random.pick(keys), end: '' };
    // May be empty.
    return { key: random.pick(keys), end: random.pick([...keys, '\0']) };
  }

  #spec(range: Range): ReadSpec {
    const random = this.#random;
    const read = { ...plainRead, ...range, isSerializable: random.chance(this.#serializable) };
    if (random.chance(0.5)) return read;
    const revisionOr0 = (share: number) => (random.chance(share) ? 1 + random.below(8) : 0);
    return {
      ...read,
      limit: random.chance(0.3) ? 1 + random.below(4) : 0,
      revision: revisionOr0(0.06),
      sortOrder: random.chance(0.4) ? random.pick(Object.values(sortOrders)) : sortOrders.none,
      sortTarget: random.chance(0.4) ? random.pick(Object.values(sortTargets)) : sortTargets.key,
      keysOnly: random.chance(0.2),
      countOnly: random.chance(0.15),
      minModRevision: revisionOr0(0.15),
      maxModRevision: revisionOr0(0.15),
      minCreateRevision: revisionOr0(0.15),
      maxCreateRevision: revisionOr0(0.15),
      hasUnknownField: random.chance(0.02),
    };
  }
}

/** Lists, unless only single keys are watched. */
function watchedRanges({ actions }: Plan, tenant: number): readonly Range[] {
  const tenants = new Map<number, number>();
  const ranges: Range[] = [];
  for (const { action } of actions) {
    if (action.kind === 'open') tenants.set(action.stream, action.tenant);
    if (action.kind !== 'create' || tenants.get(action.stream) !== tenant) continue;
    const { key, end } = action.create;
    ranges.push({ key: key === '' ? '\0' : key, end });
  }
  const lists = ranges.filter(({ end }) => end !== '');
  return lists.length > 0 ? lists : ranges;
}

/** The read as it is made while `revision` is the current one. */
export function resolved(read: ReadSpec, revision: number): ReadSpec {
  const at = (back: number) => (back === 0 ? 0 : Math.max(1, revision + 1 - back));
  return {
    ...read,
    // The first one is in the future.
    revision: read.revision === 0 ? 0 : Math.max(1, revision + 2 - read.revision),
    minModRevision: at(read.minModRevision),
    maxModRevision: at(read.maxModRevision),
    minCreateRevision: at(read.minCreateRevision),
    maxCreateRevision: at(read.maxCreateRevision),
  };
}
