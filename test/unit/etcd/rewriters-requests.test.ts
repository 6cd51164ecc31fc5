import { describe, expect, test } from 'vitest';
import type { RequestName } from '../../../src/etcd/fields.ts';
import { keySpace } from '../../../src/etcd/key-space.ts';
import { method } from '../../../src/etcd/methods.ts';
import { requestMessageRewriter, requestRewriter } from '../../../src/etcd/rewriters.ts';
import { slowMessage as message, slowVarint, type Value } from '../../support/slow-rewriter.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const space = keySpace(latin1('t1/'));
const identity = keySpace(latin1(''));

type Fields = readonly (readonly [number, Value | string])[];

const apply = (name: RequestName, source: Uint8Array, to = space) =>
  requestMessageRewriter(name).rewrite(source, to);
const applied = (name: RequestName, ...fields: Fields) => apply(name, message(...fields));

describe('keys and ranges of requests', () => {
  const rows: readonly [string, string, string, string, string, string][] = [
    ['a single key', 't1/', 'a', '', 't1/a', ''],
    ['an interval', 't1/', 'a', 'b', 't1/a', 't1/b'],
    ['all keys from a key on', 't1/', 'a', '\0', 't1/a', 't10'],
    ['the whole namespace', 't1/', '\0', '\0', 't1/\0', 't10'],
    ['a bound of two zero bytes', 't1/', 'a', '\0\0', 't1/a', 't1/\0\0'],
    ['a reversed interval', 't1/', 'b', 'a', 't1/b', 't1/a'],
    ['an empty interval', 't1/', 'a', 'a', 't1/a', 't1/a'],
    ['a prefix that ends in 0xff', 't1/', 'foo\xff', 'fop', 't1/foo\xff', 't1/fop'],
    ['the prefix 0xff', 't1/', '\xff', '\0', 't1/\xff', 't10'],
    ['a namespace that ends in 0xff', 'a\xff', 'k', '\0', 'a\xffk', 'b'],
  ];
  const of = (number: number, text: string): Fields => (text === '' ? [] : [[number, text]]);

  test.each(rows)('%s', (_, namespace, key, end, storedKey, storedEnd) => {
    const to = keySpace(latin1(namespace));
    for (const name of ['RangeRequest', 'DeleteRangeRequest', 'WatchCreateRequest'] as const) {
      expect(apply(name, message([1, key], ...of(2, end)), to)).toEqual(
        message([1, storedKey], ...of(2, storedEnd)),
      );
    }
    expect(apply('Compare', message([3, key], ...of(64, end)), to)).toEqual(
      message([3, storedKey], ...of(64, storedEnd)),
    );
  });

  test('an empty end is removed, because etcd would read to the end of all keys', () => {
    const range = message([1, 't1/a']);
    expect(applied('RangeRequest', [1, 'a'], [2, ''])).toEqual(range);
    expect(applied('RangeRequest', [2, ''], [1, 'a'])).toEqual(range);
    expect(applied('DeleteRangeRequest', [1, 'a'], [2, ''])).toEqual(range);
    expect(applied('WatchCreateRequest', [1, 'a'], [2, ''])).toEqual(range);
    const compare = message([3, 't1/a'], [4, 1n]);
    expect(applied('Compare', [3, 'a'], [64, ''], [4, 1n])).toEqual(compare);
    const nested = message([2, message([1, message([1, 'a'], [2, ''], [3, 5n])])]);
    expect(applied('TxnRequest', [2, message([4, nested])])).toEqual(
      message([2, message([4, message([2, message([1, message([1, 't1/a'], [3, 5n])])])])]),
    );
  });

  test.each(['RangeRequest', 'PutRequest', 'DeleteRangeRequest', 'Compare'] as const)(
    'an empty or absent key in a %s is rejected',
    (name) => {
      const key = name === 'Compare' ? 3 : 1;
      expect(applied(name)).toBe('key-empty');
      expect(applied(name, [key, ''])).toBe('key-empty');
    },
  );

  test('an empty key in a transaction is rejected', () => {
    const put = message([2, message([1, ''], [2, 'v'])]);
    expect(applied('TxnRequest', [2, put])).toBe('key-empty');
    expect(applied('TxnRequest', [3, message([4, message([2, put])])])).toBe('key-empty');
    expect(applied('TxnRequest', [1, message([1, 0n])])).toBe('key-empty');
  });

  test('a watch on the empty key watches the first possible key', () => {
    expect(applied('WatchCreateRequest')).toEqual(message([1, 't1/\0']));
    expect(applied('WatchCreateRequest', [1, ''], [3, 7n])).toEqual(message([1, 't1/\0'], [3, 7n]));
    expect(applied('WatchCreateRequest', [2, '\0'], [3, 7n])).toEqual(
      message([2, 't10'], [3, 7n], [1, 't1/\0']),
    );
    expect(applied('WatchRequest', [1, ''])).toEqual(message([1, message([1, 't1/\0'])]));
  });

  test('a watch request without a create passes unchanged', () => {
    for (const fields of [[[2, message([1, 5n])]], [[3, '']], []] as const) {
      const source = message(...fields);
      expect(apply('WatchRequest', source)).toBe(source);
    }
  });

  test('the key may follow other fields', () => {
    expect(applied('PutRequest', [2, 'v'], [4, 1n], [1, 'k'], [5, 1n])).toEqual(
      message([2, 'v'], [4, 1n], [1, 't1/k'], [5, 1n]),
    );
  });

  test('lengths grow at every level if the prefix needs it', () => {
    const value = 'v'.repeat(110);
    const key = 'k'.repeat(126);
    const put = message([1, key], [2, value]);
    const stored = message([1, `t1/${key}`], [2, value]);
    const nest = (op: Uint8Array) => message([2, message([4, message([2, message([2, op])])])]);
    expect(apply('TxnRequest', nest(put))).toEqual(nest(stored));
  });

  test('the source is not modified', () => {
    const source = message([1, 'a'], [2, 'b']);
    const before = Buffer.from(source);
    apply('RangeRequest', source);
    expect(source).toEqual(before);
  });

  test('the rewriter of a method is that of its message', () => {
    const get = message([1, 'a']);
    const stored = message([1, 't1/a']);
    expect(requestRewriter(method('etcdserverpb.KV/Range')).rewrite(get, space)).toEqual(stored);
    const status = requestRewriter(method('etcdserverpb.Maintenance/Status'));
    expect(status.rewrite(get, space)).toBe('field-unknown');
  });
});

describe('in the empty namespace', () => {
  test('messages pass unchanged', () => {
    const source = message([2, message([2, message([1, 'a'], [3, -5n])])]);
    expect(apply('TxnRequest', source, identity)).toBe(source);
    const watch = message([1, '']);
    expect(apply('WatchRequest', watch, identity)).toBe(watch);
  });

  test('requests that can harm the cluster are rejected', () => {
    expect(apply('RangeRequest', message([1, 'a'], [6, 9n]), identity)).toBe('sort-option');
    expect(apply('RangeRequest', message([6, 1n]), identity)).toBe('key-empty');
    expect(apply('TxnRequest', message([2, '']), identity)).toBe('operation-empty');
  });
});

describe('lease IDs of requests', () => {
  const outside = [-1n, 2n ** 31n, 2n ** 32n, 2n ** 63n - 1n, -(2n ** 63n)];
  const own = (visible: number): bigint => space.leases.stored(visible);

  test('a put without a lease stays without one', () => {
    expect(applied('PutRequest', [1, 'k'], [3, 0n])).toEqual(message([1, 't1/k'], [3, 0n]));
  });

  test.each([1, 127, 128, 77_777, 2 ** 31 - 1])('the visible ID %d becomes a stored one', (id) => {
    const [sent, stored] = [BigInt(id), own(id)];
    expect(applied('PutRequest', [1, 'k'], [3, sent])).toEqual(message([1, 't1/k'], [3, stored]));
    expect(applied('Compare', [3, 'k'], [8, sent])).toEqual(message([3, 't1/k'], [8, stored]));
    expect(applied('LeaseRevokeRequest', [1, sent])).toEqual(message([1, stored]));
    expect(applied('LeaseTimeToLiveRequest', [1, sent], [2, 1n])).toEqual(
      message([1, stored], [2, 1n]),
    );
  });

  test.each(outside)('the ID %s names a lease that cannot exist', (id) => {
    expect(applied('PutRequest', [1, 'k'], [3, id])).toEqual(message([1, 't1/k'], [3, own(0)]));
    expect(applied('LeaseKeepAliveRequest', [1, id])).toEqual(message([1, own(0)]));
  });

  test('IDs of the cluster pass, and an absent one stays absent', () => {
    const cluster = keySpace(latin1('t1/'), { mapsLeases: false });
    for (const id of [0n, 1n, ...outside]) {
      const put = message([1, 't1/k'], [3, id]);
      expect(apply('PutRequest', message([1, 'k'], [3, id]), cluster)).toEqual(put);
      const compare = message([3, 't1/k'], [8, id]);
      expect(apply('Compare', message([3, 'k'], [8, id]), cluster)).toEqual(compare);
      const revoke = message([1, id]);
      expect(apply('LeaseRevokeRequest', revoke, cluster)).toEqual(revoke);
    }
    expect(apply('LeaseKeepAliveRequest', message(), cluster)).toEqual(message());
  });

  test('an absent ID does so, too, in requests that need one', () => {
    for (const name of [
      'LeaseRevokeRequest',
      'LeaseKeepAliveRequest',
      'LeaseTimeToLiveRequest',
    ] as const) {
      expect(applied(name)).toEqual(message([1, own(0)]));
      expect(applied(name, [1, 0n])).toEqual(message([1, own(0)]));
    }
  });

  test('a comparison saturates', () => {
    const compared = (id: bigint) => applied('Compare', [3, 'k'], [8, id]);
    const max = 2n ** 63n - 1n;
    expect(compared(0n)).toEqual(message([3, 't1/k'], [8, 0n]));
    expect(compared(-9n)).toEqual(message([3, 't1/k'], [8, -9n]));
    expect(compared(7n)).toEqual(message([3, 't1/k'], [8, own(7)]));
    expect(compared(2n ** 31n)).toEqual(message([3, 't1/k'], [8, max]));
    expect(compared(max)).toEqual(message([3, 't1/k'], [8, max]));
  });

  test('a grant passes unchanged: namespace/leases sets its ID', () => {
    const grant = message([1, 60n], [2, 5n]);
    expect(apply('LeaseGrantRequest', grant)).toBe(grant);
  });
});

describe('a field that etcd does not know yet', () => {
  const strict = (name: RequestName, ...fields: Fields) => {
    const rewriter = requestMessageRewriter(name);
    const result = rewriter.rewrite(message(...fields), space);
    return typeof result === 'string' ? `${result} ${rewriter.unknownField}` : result;
  };
  const put = message([1, 'k'], [2, 'v'], [7, 'raw']);

  test('is refused, and named', () => {
    expect(strict('RangeRequest', [1, 'k'], [14, 'raw'])).toBe('field-unknown RangeRequest 14');
    expect(strict('LeaseLeasesRequest', [1, 1n])).toBe('field-unknown LeaseLeasesRequest 1');
    expect(strict('PutRequest', [1, 'k'], [200, 1n])).toBe('field-unknown PutRequest 200');
  });

  test('is refused inside a transaction and inside a watch', () => {
    const txn = strict('TxnRequest', [2, message([2, put])]);
    expect(txn).toBe('field-unknown PutRequest 7');
    expect(strict('WatchRequest', [2, message([1, 5n], [2, 'x'])])).toBe(
      'field-unknown WatchCancelRequest 2',
    );
    expect(strict('WatchRequest', [4, ''])).toBe('field-unknown WatchRequest 4');
  });

  test('passes where that is allowed, and for a tenant without a namespace', () => {
    const passing = keySpace(latin1('t1/'), { passesUnknownFields: true });
    expect(apply('PutRequest', put, passing)).toEqual(message([1, 't1/k'], [2, 'v'], [7, 'raw']));
    expect(apply('PutRequest', put, identity)).toBe(put);
  });
});

describe('attempts to bypass the namespace', () => {
  test('a field number that etcd’s parser truncates to another one', () => {
    for (const number of [1n, 2n, 3n]) {
      const hidden = slowVarint(((2n ** 32n + number) << 3n) | 2n);
      const source = Buffer.concat([message([1, 'a']), hidden, Buffer.of(1, 0x62)]);
      expect(apply('RangeRequest', source)).toBe('malformed');
    }
  });

  test.each([
    ['RangeRequest', 1],
    ['RangeRequest', 2],
    ['PutRequest', 1],
    ['DeleteRangeRequest', 2],
    ['Compare', 3],
    ['Compare', 64],
    ['WatchCreateRequest', 1],
    ['WatchCreateRequest', 2],
  ] as const)('the same field twice: %s %d', (name, field) => {
    const key = name === 'Compare' ? 3 : 1;
    const base: Fields = key === field ? [] : [[key, 'k']];
    expect(applied(name, ...base, [field, 'a'], [9, 1n], [field, 'b'])).toBe('field-duplicate');
    expect(applied(name, ...base, [field, 'a'], [field, ''])).toBe('field-duplicate');
  });

  test.each(['LeaseRevokeRequest', 'LeaseKeepAliveRequest', 'LeaseTimeToLiveRequest'] as const)(
    'the lease twice: %s',
    (name) => {
      expect(applied(name, [1, 5n], [1, 5n])).toBe('field-duplicate');
    },
  );

  test('two members of one oneof', () => {
    const get = message([1, 'k']);
    const put = message([1, 'k'], [2, 'v']);
    expect(applied('TxnRequest', [2, message([1, get], [2, put])])).toBe('field-duplicate');
    expect(applied('TxnRequest', [2, message([2, put], [2, put])])).toBe('field-duplicate');
    expect(applied('Compare', [3, 'k'], [8, 1n], [4, 1n])).toBe('field-duplicate');
    expect(applied('Compare', [3, 'k'], [8, 1n], [7, 'v'])).toBe('field-duplicate');
    expect(applied('WatchRequest', [1, get], [1, get])).toBe('field-duplicate');
    expect(applied('WatchRequest', [1, get], [3, ''])).toBe('field-duplicate');
  });

  test('another wire type', () => {
    expect(applied('RangeRequest', [1, 1n])).toBe('malformed');
    expect(applied('RangeRequest', [1, 'k'], [2, 0n])).toBe('malformed');
    expect(applied('PutRequest', [1, 'k'], [3, '\x05'])).toBe('malformed');
    expect(applied('TxnRequest', [1, 5n])).toBe('malformed');
    expect(applied('RangeRequest', [1, 'k'], [6, '\x09'])).toBe('malformed');
    const fixed = Buffer.concat([message([1, 'k']), Buffer.of(0x1d, 1, 2, 3, 4)]);
    expect(apply('PutRequest', fixed)).toBe('malformed');
  });

  test.each([3, 5])('bits beyond the 64th, which parsers drop or reject, in field %d', (field) => {
    const varint = (last: number) =>
      Buffer.concat([
        message([1, 'k']),
        Buffer.of(field << 3),
        Buffer.alloc(9, 0x80),
        Buffer.of(last),
      ]);
    for (const last of [0x02, 0x7f, 0x80])
      expect(apply('PutRequest', varint(last))).toBe('malformed');
    expect(apply('PutRequest', varint(0x01))).toBeInstanceOf(Uint8Array);
  });

  test('groups', () => {
    const group = Buffer.concat([message([1, 'k']), Buffer.of(0x7b, 0x7c)]);
    expect(apply('PutRequest', group)).toBe('malformed');
  });

  test('a key with a non-minimal tag is rewritten', () => {
    const source = Buffer.of(0x8a, 0x00, 0x81, 0x00, 0x61);
    expect(apply('RangeRequest', source)).toEqual(Buffer.from([0x8a, 0x00, 4, ...latin1('t1/a')]));
  });

  test('a truncated message', () => {
    const whole = message([2, message([2, message([1, 'key'], [2, 'value'])])]);
    for (let length = 1; length < whole.length; length++) {
      expect(apply('TxnRequest', whole.subarray(0, length))).toBe('malformed');
    }
  });
});

describe('checks of etcd that no longer work after rewriting', () => {
  const range = (...fields: Fields) => message([1, message([1, 'k'], ...fields)]);

  test('an operation without a body', () => {
    expect(applied('TxnRequest', [2, ''])).toBe('operation-empty');
    expect(applied('TxnRequest', [3, ''])).toBe('operation-empty');
  });

  test.each([3n, 9n, -1n, 2n ** 31n, 2n ** 32n, 2n ** 32n + 1n, 2n ** 63n - 1n])(
    'the sort order %s, at any depth',
    (value) => {
      expect(applied('RangeRequest', [1, 'k'], [5, value])).toBe('sort-option');
      expect(applied('TxnRequest', [2, range([5, value])])).toBe('sort-option');
    },
  );

  test.each([5n, 9n, -1n, 2n ** 32n + 1n])('the sort target %s, at any depth', (value) => {
    const nested = message([4, message([3, range([6, value])])]);
    expect(applied('RangeRequest', [1, 'k'], [6, value])).toBe('sort-option');
    expect(applied('TxnRequest', [2, nested])).toBe('sort-option');
    expect(applied('RangeRequest', [1, 'k'], [6, value], [6, 0n])).toBe('sort-option');
  });

  test('all valid sort orders and targets pass', () => {
    for (const order of [0n, 1n, 2n]) {
      for (const target of [0n, 1n, 2n, 3n, 4n]) {
        expect(applied('RangeRequest', [1, 'k'], [5, order], [6, target])).toEqual(
          message([1, 't1/k'], [5, order], [6, target]),
        );
      }
    }
  });

  test('the fault is the one that etcd would find first', () => {
    const [noOperation, noKey, badSort] = ['', message([2, '']), range([6, 9n])];
    const noCompareKey = message([2, 0n]);
    expect(applied('RangeRequest', [6, 9n], [1, ''])).toBe('key-empty');
    expect(applied('TxnRequest', [2, noOperation], [2, noKey])).toBe('operation-empty');
    expect(applied('TxnRequest', [3, noKey], [2, badSort])).toBe('sort-option');
    expect(applied('TxnRequest', [3, badSort], [2, noOperation], [1, noCompareKey])).toBe(
      'key-empty',
    );
    expect(applied('TxnRequest', [2, noKey], [2, message([1, 'k'], [1, 'k'])])).toBe('malformed');
  });

  test('transactions are nested at most as deep as etcd can accept', () => {
    const nested = (depth: number, innermost: Uint8Array): Uint8Array => {
      let txn = innermost;
      for (let i = 0; i < depth; i++) txn = message([2, message([4, txn])]);
      return txn;
    };
    const put = (key: string) => message([2, message([2, message([1, key])])]);
    expect(apply('TxnRequest', nested(128, put('k')))).toEqual(nested(128, put('t1/k')));
    expect(apply('TxnRequest', nested(129, message()))).toBe('operations-nested');
    expect(apply('TxnRequest', nested(2_000, message()))).toBe('operations-nested');
  });
});
