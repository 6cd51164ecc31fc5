import { describe, expect, test } from 'vitest';
import { prefixesOf, requestKeys } from '../../../../src/observe/advice/request-keys.ts';
import { encodeRequest } from '../../../support/codec.ts';

const text = (content: string) => Buffer.from(content);

describe('the keys of a request', () => {
  test('are those of a put, a range and a delete', () => {
    const put = encodeRequest('etcdserverpb.KV/Put', { key: text('a'), value: text('v') });
    expect(requestKeys('PutRequest', put)).toEqual([{ text: 'a', isRange: false, isWrite: true }]);
    const get = encodeRequest('etcdserverpb.KV/Range', { key: text('a') });
    expect(requestKeys('RangeRequest', get)).toEqual([
      { text: 'a', isRange: false, isWrite: false },
    ]);
    const range = { key: text('a'), range_end: text('b') };
    expect(requestKeys('RangeRequest', encodeRequest('etcdserverpb.KV/Range', range))).toEqual([
      { text: 'a', isRange: true, isWrite: false },
    ]);
    expect(
      requestKeys('DeleteRangeRequest', encodeRequest('etcdserverpb.KV/DeleteRange', range)),
    ).toEqual([{ text: 'a', isRange: true, isWrite: true }]);
  });

  test('are those of the operations of a transaction, up to eight', () => {
    const success = [
      { request_put: { key: text('a'), value: text('v') } },
      { request_range: { key: text('b'), range_end: text('c') } },
    ];
    const failure = Array.from({ length: 20 }, () => ({ request_range: { key: text('d') } }));
    const keys = requestKeys(
      'TxnRequest',
      encodeRequest('etcdserverpb.KV/Txn', { compare: [{ key: text('x') }], success, failure }),
    );
    expect(keys).toHaveLength(8);
    expect(keys.slice(0, 3)).toEqual([
      { text: 'a', isRange: false, isWrite: true },
      { text: 'b', isRange: true, isWrite: false },
      { text: 'd', isRange: false, isWrite: false },
    ]);
  });

  test('are cut to 128 bytes, and keep every byte', () => {
    const key = Buffer.concat([Uint8Array.of(0, 0xff, 0x1b), Buffer.alloc(500, 'k')]);
    const [found] = requestKeys('PutRequest', encodeRequest('etcdserverpb.KV/Put', { key }));
    expect(found?.text).toBe(`\0\xff\x1b${'k'.repeat(125)}`);
  });

  test('are sought in the first fields only, because samples are taken above all limits', () => {
    const put = encodeRequest('etcdserverpb.KV/Txn', {
      success: [{ request_put: { key: text('a'), value: text('v') } }],
    });
    const emptyOperations = (count: number) => Buffer.from('1200'.repeat(count), 'hex');
    const found = (count: number) =>
      requestKeys('TxnRequest', Buffer.concat([emptyOperations(count), put])).length;
    expect([found(500), found(600)]).toEqual([1, 0]);
  });

  test('are missing in bytes that are not protobuf', () => {
    expect(requestKeys('PutRequest', Uint8Array.of(0x0a, 0x7f, 0x61))).toEqual([]);
    expect(requestKeys('TxnRequest', Uint8Array.of(0x12, 0x02, 0xff, 0xff))).toEqual([]);
    expect(requestKeys('PutRequest', new Uint8Array(0))).toEqual([]);
  });
});

test.each([
  ['a/b/c/d/e', ['a/', 'a/b/', 'a/b/c/']],
  ['/registry/pods/x', ['/registry/', '/registry/pods/']],
  ['a/', ['a/']],
  ['plain', []],
  ['', []],
])('the prefixes of %j', (key, prefixes) => {
  expect(prefixesOf(key)).toEqual(prefixes);
});
