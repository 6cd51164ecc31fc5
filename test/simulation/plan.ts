/** What happens in a scenario besides faults: a list of timed actions of clients and writers, drawn before it runs. */
import type { Seeded } from '../support/seeded.ts';
import type { CallAction } from './call-action.ts';
import type { Operation, Range } from './store.ts';
import type { CreateSpec } from './wire.ts';

export type Action =
  | {
      readonly kind: 'write' /** Beyond the last tenant: outside all of them. */;
      readonly tenant: number;
      readonly operations: readonly Operation[];
    }
  | { readonly kind: 'compact'; readonly back: number }
  | { readonly kind: 'raise-floor'; readonly tenant: number; readonly back: number }
  | {
      readonly kind: 'open';
      readonly stream: number;
      readonly tenant: number;
      readonly requiresLeader: boolean;
    }
  | {
      readonly kind: 'create';
      readonly stream: number;
      readonly create: CreateSpec;
      readonly start: StartKind;
    }
  | { readonly kind: 'cancel'; readonly stream: number; readonly watchId: number }
  | { readonly kind: 'cancel-newest'; readonly stream: number }
  | { readonly kind: 'progress'; readonly stream: number }
  | { readonly kind: 'half-close'; readonly stream: number }
  | { readonly kind: 'pause'; readonly stream: number; readonly forMs: number }
  | { readonly kind: 'disconnect'; readonly stream: number }
  | { readonly kind: 'stall'; readonly member: number; readonly forMs: number }
  | { readonly kind: 'cut'; readonly upstream: number }
  | { readonly kind: 'lose-leader' }
  | CallAction;

/** Where a watch starts, resolved against the store when the action runs. */
export type StartKind =
  | { readonly from: 'now' }
  | { readonly from: 'current'; readonly offset: number }
  | { readonly from: 'compaction'; readonly offset: number }
  | { readonly from: 'revision'; readonly revision: number };

export interface TimedAction {
  readonly atMs: number;
  readonly action: Action;
}

export interface Plan {
  readonly tenants: number;
  readonly members: number;
  readonly streams: number;
  /** Connections of clients; true for one whose credentials are passed to etcd. Streams take them in turn. */
  readonly connections: readonly boolean[];
  readonly cachesReads: boolean;
  readonly durationMs: number;
  /** Transactions before the clients come. */
  readonly initial: readonly Action[];
  readonly actions: readonly TimedAction[];
}

export const keys = ['a', 'aa', 'ab', 'b', 'ba', 'c'] as const;
const ranges: readonly Range[] = [
  { key: 'a', end: '' },
  { key: 'a', end: 'b' },
  { key: 'a', end: '\0' },
  { key: 'b', end: 'c' },
  { key: 'ab', end: 'ba' },
  { key: '', end: '\0' },
  { key: 'c', end: '' },
];
const emptyRange: Range = { key: 'b', end: 'a' };

/** Weights of the kinds of actions while the scenario runs. */
const weights = [
  ['write', 40],
  ['create', 16],
  ['cancel', 6],
  ['progress', 8],
  ['pause', 5],
  ['compact', 3],
  ['raise-floor', 1],
  ['disconnect', 1.5],
  ['open', 2],
  ['stall', 3],
  ['cut', 4],
  ['lose-leader', 1],
  ['half-close', 0.5],
] as const;
const totalWeight = weights.reduce((sum, [, weight]) => sum + weight, 0);

export function drawOperations(random: Seeded, paddings: readonly number[]): Operation[] {
  const count = random.pick([1, 1, 1, 2, 3, 5]);
  const chosen = new Set(Array.from({ length: count }, () => random.pick(keys)));
  return Array.from(chosen, (key) => ({
    key,
    isDelete: random.chance(0.25),
    padding: random.pick(paddings),
  }));
}

export function drawPlan(random: Seeded): Plan {
  const tenants = random.chance(0.75) ? 1 : 2;
  const members = 1 + random.below(3);
  const durationMs = random.pick([100, 300, 1_000, 3_000]);
  const drawer = new Drawer(random, tenants, members);
  const initial = Array.from({ length: random.below(12) }, () => drawer.write());
  const actions: TimedAction[] = [];
  for (let i = 1 + random.below(3); i > 0; i--) {
    const open = drawer.open();
    actions.push({ atMs: 0, action: open });
    for (let n = 1 + random.below(random.pick([2, 5])); n > 0; n--) {
      const atMs = random.below(durationMs >> 2);
      actions.push({ atMs, action: drawer.create(open.stream) });
    }
  }
  const count = 10 + random.below(random.pick([15, 60]));
  for (let i = 0; i < count; i++) {
    actions.push({ atMs: random.below(durationMs), action: drawer.any() });
  }
  actions.sort((a, b) => a.atMs - b.atMs);
  const { streams } = drawer;
  return {
    tenants,
    members,
    streams,
    connections: [false],
    cachesReads: false,
    durationMs,
    initial,
    actions,
  };
}

class Drawer {
  streams = 0;
  readonly #random: Seeded;
  readonly #tenants: number;
  readonly #members: number;
  /** Few ranges, so that watches often share a feed. */
  readonly #ranges: readonly Range[];
  readonly #isLarge: boolean;

  constructor(random: Seeded, tenants: number, members: number) {
    this.#random = random;
    this.#tenants = tenants;
    this.#members = members;
    this.#ranges = Array.from({ length: 1 + random.below(3) }, () => random.pick(ranges));
    this.#isLarge = random.chance(0.003);
  }

  any(): Action {
    const random = this.#random;
    let at = random.below(totalWeight * 10) / 10;
    const kind = weights.find(([, weight]) => {
      at -= weight;
      return at < 0;
    })?.[0];
    const stream = random.below(this.streams);
    switch (kind) {
      case 'create':
        return this.create(stream);
      case 'cancel':
        return random.chance(0.4)
          ? { kind: 'cancel-newest', stream }
          : { kind, stream, watchId: random.below(5) };
      case 'progress':
      case 'disconnect':
      case 'half-close':
        return { kind, stream };
      case 'pause':
        return { kind, stream, forMs: random.pick([1, 20, 200, 2_000]) };
      case 'compact':
        return { kind, back: random.pick([0, 0, 1, 3, 10]) };
      case 'raise-floor':
        return { kind, tenant: random.below(this.#tenants), back: random.pick([0, 2, 8]) };
      case 'open':
        return this.open();
      case 'stall':
        return { kind, member: random.below(this.#members), forMs: random.pick([50, 300, 1_500]) };
      case 'cut':
        return { kind, upstream: random.below(100) };
      case 'lose-leader':
        return { kind };
      default:
        return this.write();
    }
  }

  open(): Action & { kind: 'open' } {
    const random = this.#random;
    const stream = this.streams++;
    const requiresLeader = random.chance(0.15);
    return { kind: 'open', stream, tenant: random.below(this.#tenants), requiresLeader };
  }

  write(): Action {
    const random = this.#random;
    const operations = drawOperations(random, this.#isLarge ? [0, 1_200_000] : [0, 0, 0, 150]);
    const tenant = random.chance(0.1) ? this.#tenants : random.below(this.#tenants);
    return { kind: 'write', tenant, operations };
  }

  create(stream: number): Action {
    const random = this.#random;
    const range = random.chance(0.02) ? emptyRange : random.pick(this.#ranges);
    const create: CreateSpec = {
      ...range,
      startRevision: 0,
      watchId: random.chance(0.15) ? 1 + random.below(4) : 0,
      prevKv: random.chance(0.25),
      fragment: random.chance(0.3),
      progressNotify: random.chance(0.4),
      noPut: random.chance(0.1),
      noDelete: random.chance(0.1),
    };
    return { kind: 'create', stream, create, start: this.#start() };
  }

  #start(): StartKind {
    const random = this.#random;
    const at = random.below(100);
    if (at < 40) return { from: 'now' };
    if (at < 60) return { from: 'current', offset: -random.below(4) };
    if (at < 75) return { from: 'current', offset: -random.below(25) };
    if (at < 88) return { from: 'current', offset: 1 + random.below(random.pick([6, 40])) };
    if (at < 95) return { from: 'compaction', offset: random.below(4) - 2 };
    if (at < 98) return { from: 'revision', revision: 1 + random.below(3) };
    return { from: 'revision', revision: -1 - random.below(3) };
  }
}
