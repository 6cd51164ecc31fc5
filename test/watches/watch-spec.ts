/** What a random watch is created with: the ranges that clients use, and every kind of start. */
import type { Seeded } from '../support/seeded.ts';

/** `floor` is the compacted revision itself, the first that can be watched. */
export type Start = 'now' | 'recent' | 'past' | 'floor' | 'compacted' | 'future';

export interface WatchSpec {
  /** Visible keys. An empty `end` is a single key, '\0' is every key from `key` on. */
  readonly key: string;
  readonly end: string;
  readonly start: Start;
  /** 0 for a watch that starts now. */
  readonly startRevision: number;
  readonly filters: readonly ('NOPUT' | 'NODELETE')[];
  readonly prevKv: boolean;
  readonly progressNotify: boolean;
  readonly fragment: boolean;
}

/** Where the store is when a watch is created. */
export interface Now {
  readonly revision: number;
  readonly compacted: number;
}

const prefixes = ['a/', 'b/', 'c/'];
export const keysPerPrefix = 20;
export const bigPrefix = 'y/';
/** Keys at the edges of the namespace. */
export const edgeKeys = ['\0', '\xff', '\xff\xff'];
export const names = [
  ...prefixes.flatMap((prefix) =>
    Array.from({ length: keysPerPrefix }, (_, i) => `${prefix}${String(i).padStart(2, '0')}`),
  ),
  ...edgeKeys,
];

const recentRevisionsMax = 150;
const futureRevisionsMax = 200;

type Kind = 'key' | 'prefix' | 'interval' | 'from' | 'everything' | 'idle' | 'big';

function randomRange(chance: Seeded): readonly [key: string, end: string] {
  const kind = chance.pick<Kind>([
    ...(['key', 'key', 'key', 'key', 'key', 'key', 'prefix', 'prefix', 'prefix'] as const),
    ...(['interval', 'interval', 'interval', 'from', 'everything', 'idle', 'idle', 'big'] as const),
  ]);
  switch (kind) {
    case 'key':
      return [chance.pick(names), ''];
    case 'prefix': {
      const prefix = chance.pick(prefixes);
      return [prefix, `${prefix[0]}0`];
    }
    case 'interval': {
      // Few bounds, so that watches meet in their ranges.
      const bounds = ['a/05', 'a/15', 'b/', 'b/10', 'c/00', 'c/19', 'd'];
      const from = chance.below(bounds.length - 1);
      const to = from + 1 + chance.below(bounds.length - 1 - from);
      return [bounds[from] ?? '', bounds[to] ?? ''];
    }
    case 'from':
      return [chance.pick(['b/10', 'c/', '\xff']), '\0'];
    case 'everything':
      return ['\0', '\0'];
    case 'idle':
      return chance.pick([
        ['idle', ''],
        ['idle/', 'idle0'],
        ['idle/x', ''],
      ]);
    case 'big':
      return [bigPrefix, 'y0'];
    default:
      return kind satisfies never;
  }
}

function randomStart(chance: Seeded, { revision, compacted }: Now): readonly [Start, number] {
  const start = chance.pick<Start>([
    ...(['now', 'now', 'now', 'now', 'recent', 'recent', 'past', 'floor'] as const),
    ...(['compacted', 'future'] as const),
  ]);
  switch (start) {
    case 'now':
      return [start, 0];
    case 'recent':
      return [start, Math.max(1, revision - chance.below(recentRevisionsMax))];
    case 'past':
      return [start, compacted + chance.below(Math.max(1, revision - compacted)) || 1];
    case 'floor':
      return [start, Math.max(1, compacted)];
    case 'compacted':
      return [start, 1 + chance.below(Math.max(1, compacted + 1))];
    case 'future':
      return [start, revision + 1 + chance.below(futureRevisionsMax)];
    default:
      return start satisfies never;
  }
}

export function randomSpec(chance: Seeded, now: Now): WatchSpec {
  const [key, end] = randomRange(chance);
  const [start, startRevision] = randomStart(chance, now);
  return {
    key,
    end,
    start,
    startRevision,
    filters: chance.pick([[], [], [], ['NOPUT'], ['NODELETE'], ['NOPUT', 'NODELETE']] as const),
    prevKv: chance.chance(0.4),
    progressNotify: chance.chance(0.4),
    fragment: chance.chance(0.4),
  };
}

/** The range as a client of the tenant sends it. */
export function visibleRange({ key, end }: WatchSpec): { key: Buffer; range_end: Buffer } {
  return { key: Buffer.from(key, 'latin1'), range_end: Buffer.from(end, 'latin1') };
}
