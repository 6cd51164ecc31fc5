import { describe, expect, test } from 'vitest';
import { refusal } from '../../../src/call/refusals.ts';
import { keySpace } from '../../../src/etcd/key-space.ts';
import { requestMessageRewriter, responseMessageRewriter } from '../../../src/etcd/rewriters.ts';
import { requestRewriters, responseRewriters } from '../../../src/rewrite/rewriter.ts';
import { asOwned } from '../../../src/runtime/owned-bytes.ts';
import { slowMessage as message } from '../../support/slow-rewriter.ts';

const space = keySpace(Buffer.from('t1/'));

describe('a table is rejected at start-up if it', () => {
  test('names an unknown message', () => {
    expect(() => requestRewriters({ A: { fields: { 1: { one: 'B' } } } })).toThrow('no message B');
  });

  test.each([0, 128, -1])('has the field number %d', (number) => {
    expect(() => requestRewriters({ A: { fields: { [number]: 'key' } } })).toThrow('field number');
    expect(() => responseRewriters({ A: { fields: {}, oneof: [number] } })).toThrow('field number');
  });

  test('has two kinds of required fields in one message', () => {
    const fields = { 1: 'key', 2: { one: 'A' } } as const;
    const table = { A: { fields, oneof: [2, 3], oneofRequired: true } } as const;
    expect(() => requestRewriters(table)).toThrow('only one kind');
  });
});

test('a fault is the name of a refusal', () => {
  const result = requestMessageRewriter('PutRequest').rewrite(message([2, 'value']), space);
  const status = typeof result === 'string' ? refusal(result) : null;
  expect(status?.text).toBe('etcdserver: key is not provided');
});

test('a message with very many changes is rewritten correctly, and so is the next one', () => {
  const response = (count: number, prefix: string) =>
    asOwned(
      message(
        ...Array.from({ length: count }, (_, i) => [2, message([1, `${prefix}${i}`])] as const),
      ),
    );
  const rewriter = responseMessageRewriter('RangeResponse');
  expect(rewriter.rewrite(response(100_000, 't1/'), space)).toEqual(response(100_000, ''));
  expect(rewriter.rewrite(response(3, 't1/'), space)).toEqual(response(3, ''));
});

test('the next message does not change an earlier result', () => {
  const rewriter = requestMessageRewriter('PutRequest');
  const first = rewriter.rewrite(message([1, 'a'], [2, 'first']), space);
  rewriter.rewrite(message([1, 'b'], [2, 'other']), space);
  expect(first).toEqual(message([1, 't1/a'], [2, 'first']));
});

describe('a name', () => {
  const name = requestMessageRewriter('LockRequest');

  test('gets the prefix, also if it is empty or absent', () => {
    expect(name.rewrite(message([1, 'l'], [2, 0n]), space)).toEqual(message([1, 't1/l'], [2, 0n]));
    expect(name.rewrite(message([1, '']), space)).toEqual(message([1, 't1/']));
    expect(name.rewrite(message(), space)).toEqual(message([1, 't1/']));
  });

  test('must not occur twice', () => {
    expect(name.rewrite(message([1, 'a'], [1, 'b']), space)).toBe('field-duplicate');
    expect(name.rewrite(message([1, 7n]), space)).toBe('malformed');
  });

  test('and a lease may be absent together', () => {
    const rewritten = requestMessageRewriter('ResignRequest').rewrite(
      message([1, message([2, 'k'])]),
      space,
    );
    const never = space.leases.stored(0);
    const leader = message([2, 't1/k'], [1, 't1/'], [4, never]);
    expect(rewritten).toEqual(message([1, leader]));
  });
});
