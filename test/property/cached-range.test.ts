/** What the cache returns for random requests, against a plain evaluation of the same keys. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Entries } from '../../src/cache/entries.ts';
import { type Entry, entryBytes, readEntry } from '../../src/cache/entry.ts';
import { evaluate } from '../../src/cache/evaluate.ts';
import { readQuery } from '../../src/cache/range-query.ts';
import { Reader } from '../../src/protobuf/reader.ts';
import { encodeRequest, encodeResponse } from '../support/codec.ts';

const rangeMethod = 'etcdserverpb.KV/Range';

interface Pair {
  readonly key: string;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly version: string;
  readonly value: string;
  readonly lease: string;
}

const small = fc.integer({ min: 1, max: 9 }).map(String);
const text = fc
  .array(fc.constantFrom('a', 'b', '\0', 'ÿ'), { maxLength: 3 })
  .map((all) => all.join(''));
const key = text.filter((each) => each !== '');
const pairs = fc.uniqueArray(
  fc.record({
    key,
    create_revision: small,
    mod_revision: fc.integer({ min: 1, max: 2 ** 40 }).map(String),
    version: small,
    value: text,
    lease: fc.constantFrom('0', '7', '-9'),
  }),
  { selector: (pair) => pair.key, maxLength: 12 },
);
const request = fc.record({
  key,
  range_end: fc.oneof(text, fc.constant('\0')),
  limit: fc.integer({ min: 0, max: 4 }),
  sort_order: fc.integer({ min: 0, max: 2 }),
  sort_target: fc.integer({ min: 0, max: 4 }),
  keys_only: fc.boolean(),
  count_only: fc.boolean(),
  min_mod_revision: fc.constantFrom(0, 2 ** 39),
  max_mod_revision: fc.constantFrom(0, 2 ** 39),
  min_create_revision: fc.constantFrom(0, 3),
  max_create_revision: fc.constantFrom(0, 6),
  omitsLeases: fc.boolean(),
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

const bytes = (latin1: string) => Buffer.from(latin1, 'latin1');
/** etcd omits fields with their default. */
const present = (message: object) =>
  Object.fromEntries(
    Object.entries(message).filter(
      ([, value]) => !(value === false || value === '0' || value.length === 0),
    ),
  );
const wire = (pair: Pair) => present({ ...pair, key: bytes(pair.key), value: bytes(pair.value) });

function entryOf(pair: Pair): Entry {
  const reader = new Reader(encodeResponse(rangeMethod, { kvs: [wire(pair)] }));
  reader.next();
  const entry = readEntry(reader);
  if (entry === null) throw new Error('malformed');
  return entry;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const fields = ['key', 'version', 'create_revision', 'mod_revision', 'value'] as const;

/** What etcd returns; null if that depends on how it sorts equal values. */
function expected(all: readonly Pair[], of: Request): object | null {
  const inRange = all
    .filter(({ key: each }) =>
      of.range_end === ''
        ? each === of.key
        : each >= of.key && (of.range_end === '\0' || each < of.range_end),
    )
    .toSorted((a, b) => compare(a.key, b.key));
  const count = String(inRange.length);
  if (of.count_only) return present({ count });
  const min = (value: string, bound: number) => Number(value) >= bound;
  const max = (value: string, bound: number) => bound === 0 || Number(value) <= bound;
  const hasBound =
    of.min_mod_revision + of.max_mod_revision + of.min_create_revision + of.max_create_revision > 0;
  // etcd limits what it reads, unless it needs all keys for the order or the bounds.
  const isCut = of.limit > 0 && of.sort_order === 0 && !hasBound;
  const selected = (isCut ? inRange.slice(0, of.limit + 1) : inRange).filter(
    (pair) =>
      min(pair.mod_revision, of.min_mod_revision) &&
      max(pair.mod_revision, of.max_mod_revision) &&
      min(pair.create_revision, of.min_create_revision) &&
      max(pair.create_revision, of.max_create_revision),
  );
  const field = fields[of.sort_target] ?? 'key';
  const isText = field === 'key' || field === 'value';
  const order = (a: Pair, b: Pair) =>
    isText ? compare(a[field], b[field]) : Number(a[field]) - Number(b[field]);
  const sorted = selected.toSorted((a, b) => (of.sort_order === 2 ? order(b, a) : order(a, b)));
  const shown = of.limit === 0 ? sorted : sorted.slice(0, of.limit);
  const compared = of.limit === 0 ? sorted : sorted.slice(0, of.limit + 1);
  if (compared.some((pair, i) => i > 0 && order(compared[i - 1] as Pair, pair) === 0)) return null;
  const kvs = shown.map((pair) =>
    wire(of.keys_only ? { ...pair, value: '', ...(of.omitsLeases && { lease: '0' }) } : pair),
  );
  return present({ kvs, more: shown.length < sorted.length, count });
}

describe('a response from memory', () => {
  test('has the bytes of what etcd would return', () => {
    fc.assert(
      fc.property(pairs, request, (all, { omitsLeases, ...of }) => {
        const entries = new Entries();
        for (const pair of all) entries.put(entryOf(pair));
        const encoded = encodeRequest(rangeMethod, {
          ...of,
          key: bytes(of.key),
          range_end: bytes(of.range_end),
        });
        const query = readQuery(encoded);
        if (query === null) throw new Error('the request is valid');
        query.omitsLeases = query.keysOnly && omitsLeases;
        const response = evaluate(entries, query);
        const result = expected(all, { ...of, omitsLeases });
        if (result === null || response === null) {
          expect([response, result]).toEqual([null, null]);
          return;
        }
        expect(Buffer.from(response)).toEqual(Buffer.from(encodeResponse(rangeMethod, result)));
      }),
      { numRuns: 3_000 },
    );
  });

  test('needs a well-formed request: no cut of one is read as another', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (random) => {
        const query = readQuery(random);
        if (query !== null) expect(query.key.length).toBeGreaterThan(0);
      }),
    );
  });
});

test('a request with two keys or two range ends is not evaluated, because it is rejected without the cache', () => {
  const encode = (message: object) => encodeRequest(rangeMethod, message);
  const once = encode({ key: bytes('a'), range_end: bytes('b') });
  expect(readQuery(once)).not.toBeNull();
  for (const second of [{ key: bytes('a') }, { range_end: bytes('b') }]) {
    expect(readQuery(Buffer.concat([once, encode(second)]))).toBeNull();
  }
  expect(readQuery(Buffer.concat([once, encode({ limit: 1 }), encode({ limit: 2 })]))?.limit).toBe(
    2,
  );
});

test('puts and deletes in any order leave the sorted keys, and count exactly their bytes', () => {
  const step = fc.oneof(
    fc.record({ key, version: small }).map((put) => ({ ...put, isDelete: false })),
    fc.record({ key, version: small }).map((put) => ({ ...put, isDelete: true })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const entries = new Entries();
      const model = new Map<string, Entry>();
      for (const { key: each, version, isDelete } of steps) {
        const pair = { key: each, version, value: version.repeat(Number(version)) };
        const entry = entryOf({ ...pair, create_revision: '1', mod_revision: '2', lease: '0' });
        if (isDelete) entries.delete(each);
        else entries.put(entry);
        if (isDelete) model.delete(each);
        else model.set(each, entry);
      }
      const sorted = [...model.values()].toSorted((a, b) => compare(a.key, b.key));
      expect(entries.slice(0, entries.length)).toEqual(sorted);
      expect(entries.bytes).toBe(sorted.reduce((sum, entry) => sum + entryBytes(entry), 0));
    }),
  );
});

test('many keys are not sorted by anything but their order', () => {
  const entries = new Entries();
  for (let i = 0; i < 5_000; i++) {
    const pair = { key: `k${10_000 + i}`, create_revision: '1', mod_revision: String(i + 1) };
    entries.put(entryOf({ ...pair, version: '1', value: '', lease: '0' }));
  }
  const all = { key: bytes('k'), range_end: bytes('\0') };
  const result = (request: object) => {
    const query = readQuery(encodeRequest(rangeMethod, { ...all, ...request }));
    return query === null ? null : evaluate(entries, query);
  };
  expect(result({ sort_target: 'MOD', sort_order: 'ASCEND' })).toBeNull();
  expect(
    result({ sort_target: 'MOD', sort_order: 'ASCEND', min_mod_revision: 2_000 }),
  ).not.toBeNull();
  expect(result({ sort_target: 'KEY', sort_order: 'DESCEND' })).not.toBeNull();
});
