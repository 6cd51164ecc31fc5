/**
 * Fuzzes all parsers of protobuf bytes: they terminate, throw nothing, agree with the oracle, and pass nothing that leaves the
 * namespace. A failure prints its seed; SEED=… repeats it.
 */
import { expect, test } from 'vitest';
import { type RequestName, type ResponseName, requests, responses } from '../../src/etcd/fields.ts';
import { requestMessageRewriter, responseMessageRewriter } from '../../src/etcd/rewriters.ts';
import { Reader } from '../../src/protobuf/reader.ts';
import { replaceVarintField, varintField } from '../../src/protobuf/varint-field.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import { mutated, RandomMessage, spaces } from '../support/random-message.ts';
import { Seeded, seed } from '../support/seeded.ts';
import { SlowRewriter, slowFields } from '../support/slow-rewriter.ts';

const requestNames = Object.keys(requests) as RequestName[];
const responseNames = Object.keys(responses) as ResponseName[];
const corpusSize = 2_000;
const oddity = { wrong: 0.02, padded: 0.05 };

const isSame = (a: Uint8Array | string, b: Uint8Array | string): boolean =>
  typeof a === 'string' || typeof b === 'string' ? a === b : Buffer.compare(a, b) === 0;

function fail(what: string, bytes: Uint8Array): never {
  throw new Error(`SEED=${seed}: ${what}: ${Buffer.from(bytes).toString('hex')}`);
}

function garbage(random: Seeded): Uint8Array {
  return Uint8Array.from({ length: random.below(40) }, () =>
    random.chance(0.5) ? random.below(256) : random.pick([0x0a, 0x12, 0x1a, 0x22, 0x01, 0x80]),
  );
}

test('requests with random changes', () => {
  const random = new Seeded(seed);
  const generator = new RandomMessage(random, requests, oddity);
  const corpus = Array.from({ length: corpusSize }, () => {
    const name = random.pick(requestNames);
    return { name, message: generator.message(name) };
  });
  const slow = spaces.map((space) => new SlowRewriter(requests, 'apply', space));
  for (let i = 0; i < 100_000; i++) {
    const { name, message } = random.pick(corpus);
    const bytes = random.chance(0.1) ? garbage(random) : mutated(random, message);
    const which = random.below(spaces.length);
    const space = spaces[which] ?? spaces[0];
    const result = requestMessageRewriter(name).rewrite(bytes, space);
    // The oracle is slow, so it checks every fifth message.
    if (i % 5 === 0 && !isSame(result, slow[which]?.rewrite(name, bytes) ?? '')) {
      fail(`${name} in ${which}`, bytes);
    }
  }
});

test('responses with random changes', () => {
  const random = new Seeded(seed + 1);
  const corpus = Array.from({ length: corpusSize }, () => {
    const name = random.pick(responseNames);
    const space = random.pick(spaces);
    const seals = [space.leases];
    const generator = new RandomMessage(random, responses, oddity, [space.prefix], seals);
    return { name, space, message: generator.message(name) };
  });
  for (let i = 0; i < 100_000; i++) {
    const { name, space, message } = random.pick(corpus);
    const bytes = random.chance(0.1) ? garbage(random) : mutated(random, message);
    // A copy, because responses are rewritten in place.
    const result = responseMessageRewriter(name).rewrite(asOwned(Buffer.from(bytes)), space);
    if (i % 5 !== 0) continue;
    const expected = new SlowRewriter(responses, 'strip', space).rewrite(name, bytes);
    if (!isSame(result, expected)) fail(`${name} in ${spaces.indexOf(space)}`, bytes);
  }
});

test('the reader accepts the same messages as the oracle', () => {
  const random = new Seeded(seed + 2);
  const generator = new RandomMessage(random, requests, oddity);
  const corpus = Array.from({ length: corpusSize }, () => generator.message('PutRequest'));
  let accepted = 0;
  for (let i = 0; i < 50_000; i++) {
    const bytes = random.chance(0.2) ? garbage(random) : mutated(random, random.pick(corpus));
    const fields: string[] = [];
    const reader = new Reader(bytes);
    while (reader.next()) {
      const value = reader.wireType === 0 ? BigInt.asUintN(64, reader.int64()) : reader.wireType;
      fields.push(`${reader.field} ${value}`);
    }
    let expected: string[] | null = null;
    try {
      expected = slowFields(bytes).map(
        (f) => `${f.number} ${f.wireType === 0 ? f.value : f.wireType}`,
      );
      accepted += 1;
    } catch {}
    if (reader.malformed !== (expected === null)) fail('malformed or not', bytes);
    if (expected !== null && expected.join() !== fields.join()) fail('fields', bytes);

    const lease = varintField(bytes, 3);
    const replaced = replaceVarintField(bytes, 3, 5n);
    if (
      typeof lease === 'string' ? replaced !== lease : varintField(replaced as Uint8Array, 3) !== 5n
    ) {
      fail('one field', bytes);
    }
  }
  expect(accepted).toBeGreaterThan(5_000);
});
