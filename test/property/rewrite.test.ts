/**
 * Properties of the rewriters on random messages of the API: they agree with the oracle, and stripping is the inverse of
 * applying.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RequestName, type ResponseName, requests, responses } from '../../src/etcd/fields.ts';
import { keySpace } from '../../src/etcd/key-space.ts';
import { requestMessageRewriter, responseMessageRewriter } from '../../src/etcd/rewriters.ts';
import type { MessageFields, ResponseRule } from '../../src/rewrite/field-table.ts';
import { responseRewriters } from '../../src/rewrite/rewriter.ts';
import { asOwned } from '../../src/runtime/owned-bytes.ts';
import { RandomMessage, spaces } from '../support/random-message.ts';
import { Seeded } from '../support/seeded.ts';
import { SlowRewriter } from '../support/slow-rewriter.ts';

const requestNames = Object.keys(requests) as RequestName[];
const responseNames = Object.keys(responses) as ResponseName[];
const space = fc.constantFrom(...spaces);
const chance = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((from) => new Seeded(from));
const oddity = fc.constantFrom(
  { wrong: 0, padded: 0 },
  { wrong: 0, padded: 0.2 },
  { wrong: 0.05, padded: 0.02 },
);

const plain = (result: Uint8Array | string): string =>
  typeof result === 'string' ? result : Buffer.from(result).toString('hex');

describe('the rewriters agree with the oracle', () => {
  test('on every request', () => {
    fc.assert(
      fc.property(
        space,
        fc.constantFrom(...requestNames),
        oddity,
        chance,
        (to, name, odd, random) => {
          const message = new RandomMessage(random, requests, odd).message(name);
          const before = Buffer.from(message);
          const slow = new SlowRewriter(requests, 'apply', to);
          expect(plain(requestMessageRewriter(name).rewrite(message, to))).toBe(
            plain(slow.rewrite(name, message)),
          );
          expect(before.equals(message)).toBe(true);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('on every response, and on the number of its foreign leases', () => {
    const isOwn = fc.boolean();
    fc.assert(
      fc.property(
        space,
        fc.constantFrom(...responseNames),
        oddity,
        chance,
        isOwn,
        (to, name, odd, random, own) => {
          const prefixes = own ? [to.prefix] : [to.prefix, spaces[0].prefix];
          const seals = [to.leases, keySpace(Buffer.from('other/')).leases];
          const message = new RandomMessage(random, responses, odd, prefixes, seals).message(name);
          const slow = new SlowRewriter(responses, 'strip', to);
          const rewriter = responseMessageRewriter(name);
          // A copy, because responses are rewritten in place. After a fault they are unchanged.
          const taken = asOwned(Uint8Array.from(message));
          const result = rewriter.rewrite(taken, to);
          if (typeof result === 'string') expect(plain(taken)).toBe(plain(message));
          expect(plain(result)).toBe(plain(slow.rewrite(name, message)));
          if (typeof result !== 'string') expect(rewriter.foreignLeases).toBe(slow.foreignLeases);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

describe('applying and then stripping', () => {
  // Tables of responses for request messages, so that keys lose the prefix and lease IDs the check value. Without range ends, which
  // responses do not have, and without fields with a default.
  const names = ['PutRequest', 'TxnRequest', 'RequestOp'] as const;
  const mirrored: { [message: string]: MessageFields<ResponseRule> } = {
    PutRequest: { fields: { 1: 'key', 3: 'lease' } },
    TxnRequest: {
      fields: { 1: { each: 'Compare' }, 2: { each: 'RequestOp' }, 3: { each: 'RequestOp' } },
    },
    Compare: { fields: { 3: 'key', 8: 'lease' } },
    RequestOp: { fields: { 2: { one: 'PutRequest' }, 4: { nested: 'TxnRequest' } } },
  };
  const mirror = responseRewriters(mirrored);

  test('restores the message, including unknown fields and nested transactions', () => {
    const { Compare, RequestOp, ...others } = requests;
    const table = {
      ...others,
      Compare: { ...Compare, fields: { 3: 'key', 8: 'lease' } },
      RequestOp: {
        fields: { 2: { one: 'PutRequest' }, 4: { nested: 'TxnRequest' } },
        oneof: [2, 4],
      },
    } as const;
    let stripped = 0;
    fc.assert(
      fc.property(space, fc.constantFrom(...names), chance, (to, name, random) => {
        const seals = [{ stored: BigInt }];
        const generator = new RandomMessage(random, table, { wrong: 0, padded: 0 }, [], seals);
        const visible = generator.message(name);
        const stored = requestMessageRewriter(name).rewrite(visible, to);
        if (typeof stored === 'string') return;
        const again = mirror.get(name)?.rewrite(asOwned(stored), to) ?? 'no such message';
        expect(plain(again)).toBe(plain(visible));
        stripped += 1;
      }),
      { numRuns: 2_000 },
    );
    expect(stripped).toBeGreaterThan(1_000);
  });
});
