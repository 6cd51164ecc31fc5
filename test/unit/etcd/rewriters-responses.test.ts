import { describe, expect, test } from 'vitest';
import type { ResponseName } from '../../../src/etcd/fields.ts';
import { keySpace } from '../../../src/etcd/key-space.ts';
import { method } from '../../../src/etcd/methods.ts';
import { responseMessageRewriter, responseRewriter } from '../../../src/etcd/rewriters.ts';
import { asOwned, type OwnedBytes } from '../../../src/runtime/owned-bytes.ts';
import { slowMessage as message, type Value } from '../../support/slow-rewriter.ts';

const space = keySpace(Buffer.from('t1/'));
const identity = keySpace(Buffer.from(''));
const own = (visible: number): bigint => space.leases.stored(visible);
const foreign = keySpace(Buffer.from('t2/')).leases.stored(5);

type Fields = readonly (readonly [number, Value | string])[];

const strip = (name: ResponseName, source: OwnedBytes) =>
  responseMessageRewriter(name).rewrite(source, space);
const stripped = (name: ResponseName, ...fields: Fields) => strip(name, message(...fields));

const header = message([1, 2n ** 64n - 1n], [2, 2n ** 63n], [3, 9n], [4, 2n]);
const keyValue = (key: string, lease = 0n) =>
  message([1, key], [2, 5n], [3, 2n ** 62n], [4, 1n], [5, 'value'], [6, lease]);
const stored = (key: string, lease?: number) =>
  keyValue(`t1/${key}`, lease === undefined ? 0n : own(lease));
const visible = (key: string, lease = 0) => keyValue(key, BigInt(lease));

describe('keys of responses', () => {
  test.each(['etcdserverpb.KV/Range', 'etcdserverpb.KV/DeleteRange'] as const)(
    'of %s lose the prefix, and nothing else changes',
    (name) => {
      const field = name === 'etcdserverpb.KV/Range' ? 2 : 3;
      const response = (...kvs: Uint8Array[]) =>
        message([1, header], ...kvs.map((kv) => [field, kv] as const), [4, 2n], [50, 'new']);
      expect(
        responseRewriter(method(name)).rewrite(
          asOwned(response(stored('a'), stored('b', 7))),
          space,
        ),
      ).toEqual(response(visible('a'), visible('b', 7)));
    },
  );

  test('of the previous value of a put', () => {
    expect(stripped('PutResponse', [1, header], [2, stored('a', 1)])).toEqual(
      message([1, header], [2, visible('a', 1)]),
    );
  });

  test('of a range in chunks', () => {
    const chunk = (kv: Uint8Array) => message([1, message([2, kv])]);
    expect(strip('RangeStreamResponse', chunk(stored('a')))).toEqual(chunk(visible('a')));
  });

  test('of a transaction, including nested ones', () => {
    const txn = (kv: Uint8Array): OwnedBytes => {
      const ops = [
        message([1, message([2, kv], [2, kv])]),
        message([2, message([2, kv])]),
        message([3, message([3, kv])]),
      ];
      const inner = message([2, 1n], ...ops.map((op) => [3, op] as const));
      return message([1, header], [3, message([4, inner])], [3, message([2, ''])]);
    };
    expect(strip('TxnResponse', txn(stored('a', 3)))).toEqual(txn(visible('a', 3)));
  });

  test('of watch events', () => {
    const event = (kv: Uint8Array) => message([1, 1n], [2, kv], [3, kv]);
    const response = (kv: Uint8Array) =>
      message([1, header], [2, 5n], [6, 'reason'], [11, event(kv)], [11, event(kv)]);
    expect(strip('WatchResponse', response(stored('a')))).toEqual(response(visible('a')));
  });

  test('are not copied if nothing changes', () => {
    const created = message([1, header], [2, 1n], [3, 1n]);
    expect(strip('WatchResponse', created)).toBe(created);
    const txn = message([1, header], [3, message([2, message([1, header])])]);
    expect(strip('TxnResponse', txn)).toBe(txn);
  });

  test('are not copied in the empty namespace', () => {
    const response = message([2, keyValue('t1/a', 2n ** 62n)]);
    expect(responseMessageRewriter('RangeResponse').rewrite(response, identity)).toBe(response);
  });

  test.each(['a', 't1', 't10', 'T1/a', ''])(
    'outside of the namespace are a violation: %j',
    (key) => {
      for (const kvs of [
        [keyValue(key)],
        [stored('a'), keyValue(key)],
        [keyValue(key), stored('a')],
      ]) {
        expect(strip('RangeResponse', message(...kvs.map((kv) => [2, kv] as const)))).toBe(
          'namespace-violation',
        );
      }
      const event = message([2, stored('a')], [3, keyValue(key)]);
      expect(stripped('WatchResponse', [11, event])).toBe('namespace-violation');
    },
  );

  test('must not be absent', () => {
    expect(stripped('PutResponse', [2, message([5, 'value'])])).toBe('namespace-violation');
  });

  test('that occur twice are malformed', () => {
    expect(stripped('KeyValue', [1, 't1/a'], [1, 't1/b'])).toBe('malformed');
    expect(stripped('ResponseOp', [2, ''], [2, ''])).toBe('malformed');
  });

  test('in a response nested deeper than any request are malformed', () => {
    let txn = message();
    for (let i = 0; i < 129; i++) txn = message([3, message([4, txn])]);
    expect(strip('TxnResponse', txn)).toBe('malformed');
  });
});

describe('lease IDs of responses', () => {
  test.each([1, 300, 2 ** 31 - 1])('the stored ID of %d becomes the visible one', (id) => {
    expect(stripped('LeaseGrantResponse', [1, header], [2, own(id)], [3, 60n])).toEqual(
      message([1, header], [2, BigInt(id)], [3, 60n]),
    );
    expect(stripped('LeaseKeepAliveResponse', [2, own(id)])).toEqual(message([2, BigInt(id)]));
  });

  test('the ID of a lease that cannot exist becomes 0', () => {
    expect(stripped('LeaseKeepAliveResponse', [2, own(0)])).toEqual(message([2, 0n]));
  });

  test.each([foreign, 5n, -1n, 2n ** 63n - 1n])(
    'the foreign ID %s becomes 0 and is counted',
    (id) => {
      const rewriter = responseMessageRewriter('RangeResponse');
      const kv = (lease: bigint, prefix: string) => message([2, keyValue(`${prefix}a`, lease)]);
      const twice = asOwned(Buffer.concat([kv(id, 't1/'), kv(id, 't1/')]));
      expect(rewriter.rewrite(twice, space)).toEqual(Buffer.concat([kv(0n, ''), kv(0n, '')]));
      expect(rewriter.foreignLeases).toBe(2);
      rewriter.rewrite(kv(own(1), 't1/'), space);
      expect(rewriter.foreignLeases).toBe(0);
    },
  );

  test('the keys of a lease are filtered by namespace', () => {
    expect(
      stripped(
        'LeaseTimeToLiveResponse',
        [2, own(4)],
        [5, 't1/a'],
        [5, 't10'],
        [5, 't1/b'],
        [5, ''],
      ),
    ).toEqual(message([2, 4n], [5, 'a'], [5, 'b']));
  });

  test('the list of leases is filtered by namespace', () => {
    const status = (id: bigint) => [2, message([1, id])] as const;
    const rewriter = responseMessageRewriter('LeaseLeasesResponse');
    const source = message(
      [1, header],
      status(foreign),
      status(own(9)),
      status(5n),
      status(own(0)),
      [2, ''],
      status(own(10)),
      status(-1n),
    );
    expect(rewriter.rewrite(asOwned(source), space)).toEqual(
      message([1, header], status(9n), status(10n)),
    );
    expect(rewriter.foreignLeases).toBe(0);
  });
});
