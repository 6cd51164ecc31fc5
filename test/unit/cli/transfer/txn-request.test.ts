/** The encoder of transactions, against the definitions in proto/. */
import { expect, test } from 'vitest';
import { putBytes, TxnRequest } from '../../../../src/cli/transfer/txn-request.ts';
import { decodeRequest } from '../../../support/codec.ts';

const bytes = (text: string) => Buffer.from(text);

test('a transaction has its compares and operations, in their order', () => {
  const request = new TxnRequest();
  request.requireAbsent(bytes('a'));
  request.put(bytes('a'), bytes('1'), 0n);
  request.requireRevision(bytes('position'), 2 ** 40);
  request.delete(bytes('b'));
  request.put(bytes('c'), bytes(''), -5n);
  const encoded = request.finish();
  expect(encoded.length).toBe(request.bytes);
  expect(request.operations).toBe(3);
  const { compare, success, failure } = decodeRequest('etcdserverpb.KV/Txn', encoded);
  expect(compare).toMatchObject([
    { result: 'EQUAL', target: 'VERSION', key: bytes('a'), version: '0' },
    { result: 'EQUAL', target: 'MOD', key: bytes('position'), mod_revision: String(2 ** 40) },
  ]);
  expect(success).toMatchObject([
    { request_put: { key: bytes('a'), value: bytes('1'), lease: '0' } },
    { request_delete_range: { key: bytes('b'), range_end: bytes('') } },
    { request_put: { key: bytes('c'), value: bytes(''), lease: '-5' } },
  ]);
  expect(failure).toEqual([]);
});

test.each([0, 1, 100, 127, 128, 16_000, 16_384, 2_097_152])(
  'a put with a value of %d bytes is encoded exactly, and its size is not underestimated',
  (length) => {
    const key = Buffer.alloc(200, 'k');
    const value = Buffer.alloc(length, 'v');
    const request = new TxnRequest();
    request.requireAbsent(key);
    request.put(key, value, 2n ** 62n);
    const encoded = request.finish();
    expect(encoded.length).toBe(request.bytes);
    const { success } = decodeRequest('etcdserverpb.KV/Txn', encoded);
    const decoded = success[0]?.request_put;
    expect(decoded?.lease).toBe(String(2n ** 62n));
    // Not by the matcher, which takes seconds for the longest one.
    expect(value.equals(Buffer.from(decoded?.value ?? ''))).toBe(true);
    const estimate = putBytes(key, value, true);
    expect(estimate).toBeGreaterThanOrEqual(encoded.length);
    expect(estimate).toBeLessThan(encoded.length + 16);
  },
);
