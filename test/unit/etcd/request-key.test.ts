import { describe, expect, test } from 'vitest';
import { method } from '../../../src/etcd/methods.ts';
import { printableKey } from '../../../src/etcd/request-key.ts';
import { Writer } from '../../../src/protobuf/writer.ts';

const put = method('etcdserverpb.KV/Put');
const request = (key: string) => new Writer().bytes(1, Buffer.from(key, 'latin1')).finish();

describe('the printable key of a request', () => {
  test('escapes all but printable ASCII', () => {
    expect(printableKey(put, request('a b\\\0\xff'))).toBe('a b\\\\\\x00\\xff');
  });

  test('is truncated if it is long', () => {
    expect(printableKey(put, request('k'.repeat(1000)))).toBe(`${'k'.repeat(256)}…`);
  });

  test('is empty for methods without a single key and for malformed requests', () => {
    expect(printableKey(method('etcdserverpb.KV/Txn'), request('a'))).toBe('');
    expect(printableKey(put, Uint8Array.of(0xff, 0xff))).toBe('');
    expect(printableKey(put, new Uint8Array(0))).toBe('');
  });
});
