/**
 * Reads of a whole range in pages, against a model of etcd that counts, as etcd does, every key of each requested range. Every
 * key is read once and in order, and what etcd counts grows with the number of keys, not with its square.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { pagesOf } from '../../src/cli/transfer/pages.ts';
import { namespaceRange } from '../../src/cli/transfer/range.ts';
import type { KeyRange } from '../../src/etcd/key-range.ts';
import { Reader } from '../../src/protobuf/reader.ts';
import { Writer } from '../../src/protobuf/writer.ts';
import type { OwnedBytes } from '../../src/runtime/owned-bytes.ts';
import { commitSeed, Seeded } from '../support/seeded.ts';

const compare = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b);

/** Serves ranges of `keys`, which are ascending, with values of one length. */
class CountingEtcd {
  /** Keys that it went through, to count them. */
  counted = 0;
  calls = 0;
  readonly #keys: readonly Buffer[];
  readonly #value: Buffer;

  constructor(keys: readonly Buffer[], valueBytes: number) {
    this.#keys = keys;
    this.#value = Buffer.alloc(valueBytes);
  }

  async call(_method: string, request: Uint8Array): Promise<OwnedBytes> {
    const reader = new Reader(request);
    let [key, end, limit] = [Buffer.alloc(0), Buffer.alloc(0), 0];
    while (reader.next()) {
      if (reader.field === 1) key = Buffer.from(reader.bytes());
      else if (reader.field === 2) end = Buffer.from(reader.bytes());
      else if (reader.field === 3) limit = reader.number();
    }
    const first = this.#indexOf(key);
    const count = (end.equals(Buffer.of(0)) ? this.#keys.length : this.#indexOf(end)) - first;
    this.counted += count;
    this.calls += 1;
    const response = new Writer();
    for (const each of this.#keys.slice(first, first + Math.min(limit, count))) {
      response.message(2, new Writer().bytes(1, each).bytes(5, this.#value).finish());
    }
    return response
      .bool(3, count > limit)
      .varint(4, count)
      .finish();
  }

  #indexOf(key: Buffer): number {
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare(this.#keys[middle] as Buffer, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

async function readAll(etcd: CountingEtcd, range: KeyRange) {
  const keys: Buffer[] = [];
  let pages = 0;
  for await (const { keyValues } of pagesOf(etcd, range, 0)) {
    if (keyValues.length === 0) throw new Error('a page without keys');
    for (const { key } of keyValues) keys.push(Buffer.from(key));
    pages += 1;
  }
  return { keys, pages };
}

const hash = (text: string) => createHash('sha256').update(text).digest();
const hex = (key: Buffer) => key.toString('hex');
const digits = (i: number, width = 10) => String(i).padStart(width, '0');

const layouts: Readonly<Record<string, (i: number, total: number) => Buffer>> = {
  'numbers in digits': (i) => Buffer.from(`t/${digits(i)}`),
  'numbers without leading zeros': (i) => Buffer.from(`t/players/${i}`),
  'random hexadecimal names': (i) => Buffer.from(`t/${hash(`${i}`).toString('hex')}`),
  'random bytes': (i) => Buffer.concat([Buffer.from('t/'), hash(`${i}`)]),
  'a few groups of many keys': (i, total) =>
    Buffer.from(
      `t/${['a', 'eu/games', 'eu/games2', 'x'][Math.floor((4 * i) / total)]}/${digits(i)}`,
    ),
  'random groups of 1,000 keys': (i) =>
    Buffer.from(
      `t/${hash(`${i % 200}`)
        .toString('hex')
        .slice(0, 16)}/players/${digits(i)}`,
    ),
  'random groups of 100 keys': (i) =>
    Buffer.from(`t/${hash(`${Math.floor(i / 100)}`).toString('base64url')}/${digits(i)}`),
  'long names': (i) => Buffer.from(`t/${'long/'.repeat(100)}${hash(`${i}`).toString('hex')}`),
};

const tenant = namespaceRange(Buffer.from('t/'));
const valueBytes = 400;
const namesOf = (layout: (i: number, total: number) => Buffer, total: number) =>
  Array.from({ length: total }, (_, i) => layout(i, total)).sort(compare);

describe('what etcd counts for the pages of 100,000 keys, as a multiple of them', () => {
  test.each(Object.entries(layouts))('%s', async (_name, layout) => {
    const names = namesOf(layout, 100_000);
    const etcd = new CountingEtcd(names, valueBytes);
    const { keys } = await readAll(etcd, tenant);
    expect(keys.length).toBe(names.length);
    expect(keys.every((key, i) => key.equals(names[i] as Buffer))).toBe(true);
    // Requests that end with the namespace count 14 times as many, and more if the namespace has more keys.
    expect(etcd.counted / names.length).toBeLessThan(6);
    expect(etcd.calls).toBeLessThan(250);
  });
});

describe('20,000 keys take no more requests than they have pages', () => {
  test.each(Object.entries(layouts))('%s', async (_name, layout) => {
    const etcd = new CountingEtcd(namesOf(layout, 20_000), valueBytes);
    const { keys, pages } = await readAll(etcd, tenant);
    expect(keys.length).toBe(20_000);
    expect(etcd.calls).toBe(pages);
  });
});

const seed = commitSeed();

test(`every key of random ranges is read once and in order (SEED=${seed})`, async () => {
  const chance = new Seeded(seed);
  for (let run = 0; run < 20; run += 1) {
    const alphabet = chance.pick([
      [0, 1, 255],
      [97, 98],
      [48, 57, 58, 255],
      [254, 255],
    ]);
    const length = 10 + chance.below(10);
    const names = Array.from({ length: 25_000 + chance.below(15_000) }, () =>
      Buffer.from(Array.from({ length: 1 + chance.below(length) }, () => chance.pick(alphabet))),
    ).sort(compare);
    const distinct = names.filter((key, i) => i === 0 || !key.equals(names[i - 1] as Buffer));
    const prefix = Buffer.from(chance.pick(['', '', 'a', '\0']), 'latin1');
    const etcd = new CountingEtcd(distinct, chance.pick([0, 500, 5_000]));
    const inside = distinct.filter((key) => key.subarray(0, prefix.length).equals(prefix));
    const { keys } = await readAll(etcd, namespaceRange(prefix));
    expect(keys.map(hex).join()).toBe(inside.map(hex).join());
  }
});
