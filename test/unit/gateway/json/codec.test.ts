/**
 * Messages from JSON and to JSON, compared with protobufjs. The texts of errors, and what differs between the releases of etcd, are
 * compared with etcd in the conformance suite.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { methods } from '../../../../src/etcd/methods.ts';
import { type Dialect, dialectOf } from '../../../../src/gateway/json/dialect.ts';
import { plainString } from '../../../../src/gateway/json/json-strings.ts';
import { messageToJson } from '../../../../src/gateway/json/json-writer.ts';
import { MessageOutput } from '../../../../src/gateway/json/message-output.ts';
import { Definitions, type MessageType } from '../../../../src/gateway/json/message-type.ts';
import { decodeRequest, encodeRequest, encodeResponse } from '../../../support/codec.ts';

let definitions: Definitions;

beforeAll(async () => {
  definitions = await Definitions.load();
});

function decode(dialect: Dialect, type: MessageType, json: string): Buffer | string {
  const out = new MessageOutput(16);
  return dialect.decode(Buffer.from(json), type, out) ?? Buffer.from(out.take());
}

describe.each([4, 5, 7])('requests as JSON for etcd 3.%i', (minor) => {
  const dialect = dialectOf(minor);

  test('have the same content as in protobuf', () => {
    const json = JSON.stringify({
      key: Buffer.from('key').toString('base64'),
      rangeEnd: Buffer.from('key0').toString('base64'),
      limit: '9007199254740993',
      revision: -1,
      sort_order: 'DESCEND',
      sortTarget: 2,
      serializable: true,
      unknown: [{ key: 'x' }],
    });
    const { request } = definitions.method('etcdserverpb.KV/Range');
    const bytes = decode(dialect, request, json) as Buffer;
    expect(decodeRequest('etcdserverpb.KV/Range', bytes)).toMatchObject({
      key: Buffer.from('key'),
      range_end: Buffer.from('key0'),
      limit: '9007199254740993',
      revision: '-1',
      sort_order: 'DESCEND',
      sort_target: 'CREATE',
      serializable: true,
    });
  });

  test('may escape characters of base64', () => {
    const { request } = definitions.method('etcdserverpb.KV/Put');
    const json = '{"key":"\\u002b\\/\\/\\/","value":"YQ=\\u003d"}';
    expect(
      decodeRequest('etcdserverpb.KV/Put', decode(dialect, request, json) as Buffer),
    ).toMatchObject({
      key: Buffer.from('+///', 'base64'),
      value: Buffer.from('a'),
    });
  });

  test('may be nested, and long', () => {
    const value = Buffer.alloc(100_000, 7);
    const put = { request_put: { key: 'YQ==', value: value.toString('base64') } };
    const json = JSON.stringify({
      compare: [{ key: 'YQ==', target: 'VALUE', value: 'Yg==' }],
      success: [put, { request_txn: { success: [put, put] } }],
      failure: [{ request_delete_range: { key: 'YQ==' } }],
    });
    const { request } = definitions.method('etcdserverpb.KV/Txn');
    const operation = { request_put: { key: Buffer.from('a'), value } };
    const expected = encodeRequest('etcdserverpb.KV/Txn', {
      compare: [{ key: Buffer.from('a'), target: 'VALUE', value: Buffer.from('b') }],
      success: [operation, { request_txn: { success: [operation, operation] } }],
      failure: [{ request_delete_range: { key: Buffer.from('a') } }],
    });
    const bytes = decode(dialect, request, json) as Buffer;
    expect(decodeRequest('etcdserverpb.KV/Txn', bytes)).toEqual(
      decodeRequest('etcdserverpb.KV/Txn', expected),
    );
  });

  test('that are nested too deeply are refused in linear time', () => {
    const levels = 100_000;
    const json = `${'{"success":[{"request_txn":'.repeat(levels)}{}${'}]}'.repeat(levels)}`;
    const { request } = definitions.method('etcdserverpb.KV/Txn');
    expect(decode(dialect, request, json)).toBe('etcdserver: too many operations in txn request');
  });
});

describe('of several members for one field', () => {
  test('etcd up to 3.5 takes the last, and the one in lowerCamelCase before the other', () => {
    const { request } = definitions.method('etcdserverpb.KV/Range');
    const cases = [
      ['{"key":"YQ==","key":"YmM="}', { key: Buffer.from('bc') }],
      ['{"range_end":"YQ==","key":"eA==","rangeEnd":"Yg=="}', { range_end: Buffer.from('b') }],
      ['{"rangeEnd":"Yg==","key":"eA==","range_end":"YQ=="}', { range_end: Buffer.from('b') }],
      ['{"limit":1,"key":"eA==","limit":2,"revision":3}', { limit: '2', revision: '3' }],
    ] as const;
    for (const [json, expected] of cases) {
      const bytes = decode(dialectOf(5), request, json) as Buffer;
      expect(decodeRequest('etcdserverpb.KV/Range', bytes)).toMatchObject(expected);
    }
  });
});

describe('responses as JSON', () => {
  test('have names of the definition, and no default values', () => {
    const { response } = definitions.method('etcdserverpb.KV/Range');
    const bytes = encodeResponse('etcdserverpb.KV/Range', {
      header: { cluster_id: '18446744073709551615', revision: '-9007199254740993', raft_term: 2 },
      kvs: [
        { key: Buffer.from('a'), mod_revision: 3, lease: 0 },
        { key: Buffer.from('\xff', 'latin1') },
      ],
      more: true,
      count: 0,
    });
    expect(messageToJson(response, bytes, plainString)).toBe(
      '{"header":{"cluster_id":"18446744073709551615","revision":"-9007199254740993","raft_term":"2"},"kvs":[{"key":"YQ==","mod_revision":"3"},{"key":"/w=="}],"more":true}',
    );
  });

  test('do not depend on the order of the bytes', () => {
    const { response } = definitions.method('etcdserverpb.KV/Range');
    const member = (field: number, bytes: readonly number[]) => [
      field * 8 + 2,
      bytes.length,
      ...bytes,
    ];
    const bytes = Uint8Array.from([
      ...[32, 5],
      ...member(2, member(1, [97])),
      ...member(1, [24, 7]),
      ...member(2, member(1, [98])),
      ...[99 * 8, 1].slice(0, 0),
    ]);
    expect(messageToJson(response, bytes, plainString)).toBe(
      '{"header":{"revision":"7"},"kvs":[{"key":"YQ=="},{"key":"Yg=="}],"count":"5"}',
    );
  });

  test('that are not messages have no JSON', () => {
    const { response } = definitions.method('etcdserverpb.KV/Range');
    for (const bytes of [[10], [10, 5, 1], [8, 1], [18, 2, 8, 1], [255, 255, 255, 255, 255, 1]]) {
      expect(messageToJson(response, Uint8Array.from(bytes), plainString)).toBeNull();
    }
  });

  test('every method of the API has types', () => {
    const missing = methods.filter(({ service, name }) => {
      if (service === 'grpc.health.v1.Health') return false;
      return definitions.method(name).request.fields === undefined;
    });
    expect(missing).toEqual([]);
  });
});
