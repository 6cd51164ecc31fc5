import { describe, expect, test } from 'vitest';
import { Code, status } from '../../../../src/grpc/status.ts';
import { unusualRenewalsMax } from '../../../../src/namespace/leases/keep-alive.ts';
import { KnownLeases, knownLeasesMax } from '../../../../src/namespace/leases/known-leases.ts';
import { decodeRequest, decodeResponse } from '../../../support/codec.ts';
import { bytes, encodeRequest, encodeResponse, header, Setup } from '../setup.ts';

const revoke = 'etcdserverpb.Lease/LeaseRevoke';
const renew = 'etcdserverpb.Lease/LeaseKeepAlive';
const timeToLive = 'etcdserverpb.Lease/LeaseTimeToLive';
const grant = 'etcdserverpb.Lease/LeaseGrant';

const ok = status(Code.OK, '', 'peer');
const lost = status(Code.UNAVAILABLE, 'lost', 'lost');
const denied = status(Code.PERMISSION_DENIED, 'etcdserver: permission denied', 'peer');

/** Responds to the check that etcd has received last. */
function respond(setup: Setup, keys: readonly string[]): void {
  const check = setup.etcd.last;
  expect(check.call.method.name).toBe(timeToLive);
  const ID = String(decodeRequest(timeToLive, check.request).ID);
  check.deliver(encodeResponse(timeToLive, { header, ID, TTL: 9, keys: keys.map(bytes) }));
  check.end(ok);
}

const stored = (setup: Setup, visible: number) =>
  String(setup.tenant.keySpace.leases.stored(visible));
const names = (setup: Setup) => setup.etcd.calls.map(({ call }) => call.method.rpc);

describe('revoking a lease that the process does not know', () => {
  test.each([
    ['with a key of the namespace', ['other/a', 't1/a']],
    ['without keys', []],
  ])('%s reads its keys first', (_what, keys) => {
    const setup = new Setup();
    const { heard } = setup.unary(revoke, { ID: '5' });
    expect(decodeRequest(timeToLive, setup.etcd.last.request)).toEqual({
      ID: stored(setup, 5),
      keys: true,
    });
    respond(setup, keys);
    expect(names(setup)).toEqual(['LeaseTimeToLive', 'LeaseRevoke']);
    expect(setup.stored(revoke).ID).toBe(stored(setup, 5));
    setup.etcd.last.end(ok);
    expect(heard.code).toBe(Code.OK);
    expect(setup.leaseChecks).toEqual(['own']);
  });

  test('whose keys all lie outside the namespace asks etcd to revoke one that does not exist', () => {
    const setup = new Setup();
    setup.unary(revoke, { ID: '5' });
    respond(setup, ['other/a', 't10', 't1']);
    expect(setup.stored(revoke).ID).toBe(stored(setup, 0));
    expect(setup.leaseChecks).toEqual(['foreign']);
    setup.unary(revoke, { ID: '5' });
    expect(names(setup).at(-1)).toBe('LeaseTimeToLive');
  });

  test('fails if its keys cannot be read', () => {
    const setup = new Setup();
    const { heard } = setup.unary(revoke, { ID: '5' });
    setup.etcd.last.end(lost);
    expect(heard.status).toBe(lost);
    expect(names(setup)).toEqual(['LeaseTimeToLive']);
  });

  test('is left to etcd if the keys may not be read', () => {
    const setup = new Setup();
    setup.unary(revoke, { ID: '5' });
    setup.etcd.last.end(denied);
    expect(setup.stored(revoke).ID).toBe(stored(setup, 5));
  });

  test('is cancelled also while it is being started', () => {
    for (const keys of [null, []]) {
      const setup = new Setup();
      const handle = { cancel: () => {} };
      setup.etcd.onCall = (call) => {
        if (keys === null || call.call.method.name === revoke) handle.cancel();
      };
      const { requests } = setup.stream(renew);
      if (keys === null) {
        handle.cancel = () => requests.cancel();
        requests.send(encodeRequest(renew, { ID: '5' }));
        expect(setup.etcd.last.call.method.name).toBe(timeToLive);
      } else {
        const { ongoing } = setup.unary(revoke, { ID: '5' });
        handle.cancel = () => ongoing.cancel();
        respond(setup, keys);
        expect(setup.etcd.last.call.method.name).toBe(revoke);
      }
      expect(setup.etcd.last.isCancelled).toBe(true);
    }
  });

  test('is cancelled in either phase', () => {
    const setup = new Setup();
    setup.unary(revoke, { ID: '5' }).ongoing.cancel();
    expect(setup.etcd.last.isCancelled).toBe(true);
    const { ongoing } = setup.unary(revoke, { ID: '6' });
    respond(setup, []);
    ongoing.cancel();
    expect(names(setup).at(-1)).toBe('LeaseRevoke');
    expect(setup.etcd.last.isCancelled).toBe(true);
  });
});

describe('a lease that the process knows is not looked at', () => {
  test.each(['0', '7'])('because it has granted it (requested ID %s)', (ID) => {
    const setup = new Setup();
    setup.drawn.push(7);
    setup.unary(grant, { ID, TTL: 60 });
    setup.etcd.last.deliver(encodeResponse(grant, { header, ID: stored(setup, 7), TTL: 60 }));
    setup.etcd.last.end(ok);
    setup.unary(revoke, { ID: '7' });
    expect(names(setup)).toEqual(['LeaseGrant', 'LeaseRevoke']);
  });

  test('because it has been looked at before', () => {
    const setup = new Setup();
    const { requests } = setup.stream(renew);
    requests.send(encodeRequest(renew, { ID: '5' }));
    respond(setup, ['t1/a']);
    requests.send(encodeRequest(renew, { ID: '5' }));
    setup.unary(revoke, { ID: '5' });
    expect(names(setup)).toEqual(['LeaseKeepAlive', 'LeaseTimeToLive', 'LeaseRevoke']);
  });

  test('because the namespace is empty', () => {
    const setup = new Setup('');
    setup.unary(revoke, { ID: '5' });
    expect(names(setup)).toEqual(['LeaseRevoke']);
  });

  test('until others have displaced it', () => {
    const known = new KnownLeases();
    for (let id = 1; id <= knownLeasesMax + 1; id++) known.add(id);
    expect([known.has(1), known.has(2), known.has(knownLeasesMax + 1)]).toEqual([
      false,
      true,
      true,
    ]);
  });
});

describe('the first renewal of a lease that the process does not know', () => {
  const open = () => {
    const setup = new Setup();
    const { heard, requests, below } = setup.stream(renew);
    return {
      setup,
      heard,
      requests,
      below,
      renew: (ID: string) => requests.send(encodeRequest(renew, { ID })),
      sent: () => below.requests.map((message) => String(decodeRequest(renew, message).ID)),
      answers: () => heard.messages.map((message) => decodeResponse(renew, message).ID),
    };
  };

  test('waits for the check, and renewals of known leases do not', () => {
    const { setup, renew: send, sent } = open();
    setup.know(6);
    send('5');
    send('5');
    send('6');
    expect(sent()).toEqual([stored(setup, 6)]);
    respond(setup, []);
    expect(sent()).toEqual([stored(setup, 6), stored(setup, 5), stored(setup, 5)]);
  });

  test('of another namespace is answered as for a lease that does not exist', () => {
    const { setup, renew: send, sent, below, answers, heard } = open();
    send('5');
    respond(setup, ['other/a']);
    expect(sent()).toEqual([stored(setup, 0)]);
    below.deliver(encodeResponse(renew, { header, ID: stored(setup, 0), TTL: 0 }));
    expect(answers()).toEqual(['5']);
    expect(heard.status).toBeNull();
    expect(setup.leaseChecks).toEqual(['foreign']);
  });

  test('is sent if the check fails, so that the lease does not expire, and is checked again', () => {
    const { setup, renew: send, sent } = open();
    for (const count of [1, 2]) {
      send('5');
      setup.etcd.last.end(lost);
      expect(sent()).toHaveLength(count);
    }
    expect(setup.leaseChecks).toEqual(['failed', 'failed']);
  });

  test('is sent before a half-close that follows it', () => {
    const { setup, renew: send, requests, below } = open();
    send('5');
    requests.halfClose();
    expect(below.isHalfClosed).toBe(false);
    respond(setup, []);
    expect(below.requests).toHaveLength(1);
    expect(below.isHalfClosed).toBe(true);
  });

  test('is cancelled with its stream, however that ends', () => {
    for (const how of ['cancel', 'end', 'abort'] as const) {
      const { setup, renew: send, requests, below } = open();
      send('5');
      const check = setup.etcd.last;
      if (how === 'cancel') requests.cancel();
      else if (how === 'end') below.end(lost);
      else requests.send(Uint8Array.of(0x0a));
      expect(check.isCancelled).toBe(true);
    }
  });

  test('waits within a bound; one more ends the stream', () => {
    const { renew: send, heard } = open();
    for (let i = 0; i < unusualRenewalsMax; i++) send('5');
    expect(heard.status).toBeNull();
    send('5');
    expect(heard.code).toBe(Code.RESOURCE_EXHAUSTED);
  });
});
