/** Leases of a tenant whose clients have the lease IDs of the cluster. */
import { describe, expect, test } from 'vitest';
import { keySpace } from '../../../../src/etcd/key-space.ts';
import { Code, status } from '../../../../src/grpc/status.ts';
import { decodeRequest, decodeResponse } from '../../../support/codec.ts';
import { testTenant } from '../../../support/test-call.ts';
import { answerOf, bytes, encodeRequest, encodeResponse, header, Setup } from '../setup.ts';

const revoke = 'etcdserverpb.Lease/LeaseRevoke';
const renew = 'etcdserverpb.Lease/LeaseKeepAlive';
const timeToLive = 'etcdserverpb.Lease/LeaseTimeToLive';
const grant = 'etcdserverpb.Lease/LeaseGrant';
const list = 'etcdserverpb.Lease/LeaseLeases';
/** As etcd chooses them. */
const id = '7587861543437836289';
const ok = status(Code.OK, '', 'peer');
const lost = status(Code.UNAVAILABLE, 'lost', 'lost');

function setupOf(): Setup {
  const space = keySpace(bytes('t1/'), { mapsLeases: false });
  return new Setup('t1/', new Set(), testTenant('t1', { keySpace: space }));
}

/** Responds to the check that etcd has received last. */
function respond(setup: Setup, keys: readonly string[]): void {
  const check = setup.etcd.last;
  expect(check.call.method.name).toBe(timeToLive);
  expect(decodeRequest(timeToLive, check.request)).toMatchObject({ keys: true });
  const ID = String(decodeRequest(timeToLive, check.request).ID);
  check.deliver(encodeResponse(timeToLive, { header, ID, TTL: 9, keys: keys.map(bytes) }));
  check.end(ok);
}

const names = (setup: Setup) => setup.etcd.calls.map(({ call }) => call.method.rpc);

describe('IDs pass in both directions', () => {
  test.each(['0', id, '-1', '5'])('of grants, also ID %s', (ID) => {
    const setup = setupOf();
    const { heard } = setup.unary(grant, { TTL: 60, ID });
    expect(setup.stored(grant)).toEqual({ TTL: '60', ID });
    setup.etcd.last.respond(encodeResponse(grant, { header, ID: id, TTL: 60 }));
    expect(answerOf(grant, heard)).toMatchObject({ ID: id, TTL: '60', header });
  });

  test('of keys', () => {
    const setup = setupOf();
    setup.unary('etcdserverpb.KV/Put', { key: bytes('a'), lease: id });
    expect(setup.stored('etcdserverpb.KV/Put')).toMatchObject({ key: bytes('t1/a'), lease: id });
    const { heard } = setup.unary('etcdserverpb.KV/Range', { key: bytes('a') });
    const kvs = [{ key: bytes('t1/a'), lease: id }];
    setup.etcd.last.respond(encodeResponse('etcdserverpb.KV/Range', { header, kvs }));
    expect(answerOf('etcdserverpb.KV/Range', heard).kvs[0]).toMatchObject({
      key: bytes('a'),
      lease: id,
    });
    expect(setup.foreignLeases).toBe(0);
  });

  test('of comparisons, whatever they are', () => {
    const setup = setupOf();
    for (const lease of [id, '-5', '2147483648', '0']) {
      const compare = [{ key: bytes('a'), target: 'LEASE', lease }] as const;
      setup.unary('etcdserverpb.KV/Txn', { compare: [...compare] });
      expect(setup.stored('etcdserverpb.KV/Txn').compare[0]?.lease).toBe(lease);
    }
  });

  test('of lists', () => {
    const setup = setupOf();
    const { heard } = setup.unary(list, {});
    const leases = [{ ID: id }, { ID: '5' }];
    setup.etcd.last.respond(encodeResponse(list, { header, leases }));
    expect(answerOf(list, heard).leases).toEqual(leases);
  });

  test('of look-ups, which list keys of the namespace only', () => {
    const setup = setupOf();
    for (const ID of [id, '0', '-1']) {
      const { heard } = setup.unary(timeToLive, { ID, keys: true });
      expect(setup.stored(timeToLive)).toEqual({ ID, keys: true });
      const keys = ['t1/a', 't10', 'other/b', 't1/c'].map(bytes);
      setup.etcd.last.respond(encodeResponse(timeToLive, { header, ID, TTL: 9, keys }));
      expect(answerOf(timeToLive, heard)).toMatchObject({ ID, keys: [bytes('a'), bytes('c')] });
    }
  });

  test('of locks: etcd grants the lease of a lock without one', () => {
    const setup = setupOf();
    for (const lease of ['0', id]) {
      setup.unary('v3lockpb.Lock/Lock', { name: bytes('l'), lease });
      expect(names(setup).at(-1)).toBe('Lock');
      expect(setup.stored('v3lockpb.Lock/Lock')).toMatchObject({ name: bytes('t1/l'), lease });
    }
  });
});

describe('a revoke', () => {
  test.each([[['t1/a', 't1/b']], [[]]])('of a lease with the keys %j reads them first', (keys) => {
    const setup = setupOf();
    const { heard } = setup.unary(revoke, { ID: id });
    respond(setup, keys);
    expect(setup.stored(revoke).ID).toBe(id);
    setup.etcd.last.end(ok);
    expect(heard.code).toBe(Code.OK);
  });

  test.each([[['other/a']], [['t1/a', 'other/a']], [['t1/a', 't1']]])(
    'of a lease with the keys %j names one that does not exist',
    (keys) => {
      const setup = setupOf();
      setup.unary(revoke, { ID: id });
      respond(setup, keys);
      expect(setup.stored(revoke).ID).toBe('0');
      expect(setup.leaseChecks).toEqual(['foreign']);
    },
  );

  test('reads the keys each time, because others may have attached some since', () => {
    const setup = setupOf();
    const { requests } = setup.stream(renew);
    requests.send(encodeRequest(renew, { ID: id }));
    respond(setup, ['t1/a']);
    setup.unary(revoke, { ID: id });
    respond(setup, ['t1/a', 'other/b']);
    expect(setup.stored(revoke).ID).toBe('0');
  });

  test('of a lease that was granted here reads nothing', () => {
    const setup = setupOf();
    setup.unary(grant, { TTL: 60 });
    setup.etcd.last.respond(encodeResponse(grant, { header, ID: id, TTL: 60 }));
    setup.unary(revoke, { ID: id });
    expect(names(setup)).toEqual(['LeaseGrant', 'LeaseRevoke']);
  });

  test('of the ID 0 is left to etcd', () => {
    const setup = setupOf();
    setup.unary(revoke, { ID: '0' });
    expect([names(setup), setup.stored(revoke).ID]).toEqual([['LeaseRevoke'], '0']);
  });
});

describe('renewals', () => {
  const open = () => {
    const setup = setupOf();
    const { heard, requests, below } = setup.stream(renew);
    return {
      setup,
      below,
      renew: (ID: string) => requests.send(encodeRequest(renew, { ID })),
      sent: () => below.requests.map((message) => String(decodeRequest(renew, message).ID)),
      respond: (ID: string, TTL: number) =>
        below.deliver(encodeResponse(renew, { header, ID, TTL })),
      answers: () =>
        heard.messages.map((message) => {
          const { ID, TTL } = decodeResponse(renew, message);
          return `${ID}: ${TTL}`;
        }),
    };
  };

  test('of a lease with keys of the namespace are checked once', () => {
    const stream = open();
    stream.renew(id);
    expect(stream.sent()).toEqual([]);
    respond(stream.setup, ['t1/a']);
    stream.renew(id);
    expect(stream.sent()).toEqual([id, id]);
    stream.respond(id, 60);
    expect(stream.answers()).toEqual([`${id}: 60`]);
  });

  test('of a lease without keys are checked each time', () => {
    const stream = open();
    for (const count of [1, 2]) {
      stream.renew(id);
      respond(stream.setup, []);
      expect(stream.sent()).toHaveLength(count);
    }
  });

  test('of a lease with keys of others get the response for one that does not exist', () => {
    const stream = open();
    for (const keys of [['other/a'], ['t1/a', 'other/a']]) {
      stream.renew(id);
      respond(stream.setup, keys);
      expect(stream.sent().at(-1)).toBe('0');
      stream.respond('0', 0);
      expect(stream.answers().at(-1)).toBe(`${id}: 0`);
    }
  });

  test('of the ID 0 keep their place among them', () => {
    const stream = open();
    stream.renew('0');
    stream.renew(id);
    respond(stream.setup, ['other/a']);
    stream.respond('0', 0);
    stream.respond('0', 0);
    expect(stream.answers()).toEqual(['0: 0', `${id}: 0`]);
  });

  test('are sent if the check fails, so that the lease does not expire', () => {
    const stream = open();
    stream.renew(id);
    stream.setup.etcd.last.end(lost);
    expect([stream.sent(), stream.setup.leaseChecks]).toEqual([[id], ['failed']]);
  });
});
