/** Random ranges over the keys that test/watches/writer.ts writes, with every option that a range has. */
import type { RangeRequest } from '../support/messages.ts';
import type { Seeded } from '../support/seeded.ts';
import { names } from '../watches/watch-spec.ts';

/** A prefix whose keys never change. They are so many that a range with all of them is read in pages. */
export const steadyPrefix = 's/';
export const steadyKeys = 400;

/** A share of the sort values of most keys is equal, and etcd then has an order that no state determines. */
const sortedShare = 0.25;
const sortTargets = [
  'KEY',
  'KEY',
  'KEY',
  'MOD',
  'MOD',
  'CREATE',
  'VERSION',
  'VALUE',
  'VALUE',
] as const;
const sortOrders = ['NONE', 'ASCEND', 'DESCEND'] as const;
/** Bounds of revisions are at most this far from the newest one. */
const boundDistanceMax = 400;

type Kind = 'key' | 'prefix' | 'interval' | 'from' | 'everything' | 'steady' | 'empty';

const kinds: readonly Kind[] = [
  ...(['prefix', 'prefix', 'prefix', 'prefix', 'prefix', 'prefix', 'prefix'] as const),
  ...(['interval', 'interval', 'interval', 'interval', 'interval', 'interval'] as const),
  ...(['key', 'key', 'from', 'everything', 'steady', 'empty'] as const),
];

const bytes = (text: string) => Buffer.from(text, 'latin1');

function randomKeys(chance: Seeded): readonly [key: string, end: string] {
  const kind = chance.pick(kinds);
  switch (kind) {
    case 'key':
      return [chance.pick([...names, 'absent', `${steadyPrefix}007`]), ''];
    case 'prefix': {
      const prefix = chance.pick(['a/', 'b/', 'c/']);
      return [prefix, `${prefix[0]}0`];
    }
    case 'interval': {
      const [key = '', end = ''] = [chance.pick(names), chance.pick(names)].toSorted();
      return [key, `${end}${chance.pick(['', '\0'])}`];
    }
    case 'from':
      return [chance.pick([...names, `${steadyPrefix}390`]), '\0'];
    case 'everything':
      return ['\0', '\0'];
    case 'steady':
      return [`${steadyPrefix}${100 + chance.below(300)}`, `${steadyPrefix.charAt(0)}0`];
    case 'empty':
      return chance.pick([
        ['b/10', 'a/10'],
        ['b/10', 'b/10'],
        ['nothing/', 'nothing0'],
      ]);
    default:
      return kind satisfies never;
  }
}

/** A request with visible keys. `newest` is about the newest revision of the store. */
export function randomRange(chance: Seeded, newest: number): RangeRequest {
  const [key, end] = randomKeys(chance);
  // Without it, a read of one key is passed to etcd in any case.
  const isSerializable = chance.chance(end === '' ? 0.85 : 0.5);
  const bound = () => Math.max(1, newest - chance.below(boundDistanceMax));
  const isSorted = chance.chance(sortedShare);
  return {
    key: bytes(key),
    ...(end !== '' && { range_end: bytes(end) }),
    ...(chance.chance(0.35) && { limit: 1 + chance.below(chance.pick([3, 30, 80])) }),
    ...(chance.chance(0.01) && { revision: bound() }),
    ...(isSorted && {
      sort_target: chance.pick(sortTargets),
      sort_order: chance.pick(sortOrders),
    }),
    ...(isSerializable && { serializable: true }),
    ...(chance.chance(0.15) && { keys_only: true }),
    ...(chance.chance(0.1) && { count_only: true }),
    ...(chance.chance(0.08) && { min_mod_revision: bound() }),
    ...(chance.chance(0.08) && { max_mod_revision: bound() }),
    ...(chance.chance(0.08) && { min_create_revision: bound() }),
    ...(chance.chance(0.08) && { max_create_revision: bound() }),
  };
}

/** What the range was, in one line. */
export function describeRange({ key, range_end, ...options }: RangeRequest): string {
  const text = (part: Uint8Array | undefined) => Buffer.from(part ?? []).toString('latin1');
  return JSON.stringify({ key: text(key), end: text(range_end), ...options });
}
