import { describe, expect, test } from 'vitest';
import { keySpace } from '../../../../src/etcd/key-space.ts';
import { Code } from '../../../../src/grpc/status.ts';
import { sessionTtlSeconds } from '../../../../src/namespace/leases/session.ts';
import type { LeaderKey } from '../../../support/messages.ts';
import { answerOf, bytes, encodeResponse, header, Setup } from '../setup.ts';

const grantName = 'etcdserverpb.Lease/LeaseGrant';
const lock = 'v3lockpb.Lock/Lock';
const campaign = 'v3electionpb.Election/Campaign';
const proclaim = 'v3electionpb.Election/Proclaim';
const resign = 'v3electionpb.Election/Resign';

const stored = (setup: Setup, visible: number) =>
  String(setup.tenant.keySpace.leases.stored(visible));

function granted(setup: Setup, visible: number): void {
  const ID = stored(setup, visible);
  setup.etcd.last.respond(encodeResponse(grantName, { header, ID, TTL: sessionTtlSeconds }));
}

describe('a lock without a lease', () => {
  test('gets one of 60 seconds within the namespace first, in the name of its caller', () => {
    const setup = new Setup();
    setup.drawn.push(77);
    const { heard } = setup.unary(lock, { name: bytes('l') }, ['token', 'x']);
    expect(setup.stored(grantName)).toEqual({ TTL: '60', ID: stored(setup, 77) });
    const grant = setup.etcd.last;
    expect(grant.call).toMatchObject({ tenant: setup.tenant, metadata: ['token', 'x'] });
    expect(grant.call.method.name).toBe(grantName);
    granted(setup, 77);
    expect(setup.etcd.last.call.method.name).toBe(lock);
    expect(setup.stored(lock)).toEqual({ name: bytes('t1/l'), lease: stored(setup, 77) });
    setup.etcd.last.respond(encodeResponse(lock, { header, key: bytes('t1/l/abc') }));
    expect(answerOf(lock, heard)).toMatchObject({ header, key: bytes('l/abc') });
  });

  test('draws another ID when the first is taken', () => {
    const setup = new Setup();
    setup.drawn.push(77, 78);
    setup.unary(lock, { name: bytes('l') });
    setup.etcd.last.fail(Code.FAILED_PRECONDITION, 'etcdserver: lease already exists');
    granted(setup, 78);
    expect(setup.stored(lock).lease).toBe(stored(setup, 78));
  });

  test('is answered also when everything is answered at once', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => {
      if (call.call.method.name === grantName) granted(setup, 1);
      else call.respond(encodeResponse(lock, { header, key: bytes('t1/l/1') }));
    };
    const { heard } = setup.unary(lock, { name: bytes('l') });
    expect(heard.isOk).toBe(true);
    expect(answerOf(lock, heard).key).toEqual(bytes('l/1'));
  });

  test('is cancelled with the grant, or with the lock itself', () => {
    const setup = new Setup();
    const early = setup.unary(lock, { name: bytes('l') });
    early.ongoing.cancel();
    expect(setup.etcd.last).toMatchObject({ isCancelled: true });
    expect(setup.etcd.calls).toHaveLength(1);

    const late = setup.unary(lock, { name: bytes('l') });
    granted(setup, 1);
    late.ongoing.cancel();
    expect(setup.etcd.last.call.method.name).toBe(lock);
    expect(setup.etcd.last.isCancelled).toBe(true);
    expect([early.heard.status, late.heard.status]).toEqual([null, null]);
  });

  test('keeps its lease when it fails, because only the response may have been lost', () => {
    const setup = new Setup();
    const { heard } = setup.unary(lock, { name: bytes('l') });
    granted(setup, 1);
    setup.etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: unhealthy cluster');
    expect(heard).toMatchObject({ code: Code.UNAVAILABLE, text: 'etcdserver: unhealthy cluster' });
    expect(setup.etcd.calls.map(({ call }) => call.method.name)).toEqual([grantName, lock]);
  });

  test('fails with what etcd says of the grant, as Unknown, as the lock service does', () => {
    const setup = new Setup();
    const { heard } = setup.unary(lock, { name: bytes('l') });
    setup.etcd.last.fail(Code.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded');
    expect(heard).toMatchObject({
      code: Code.UNKNOWN,
      text: 'etcdserver: mvcc: database space exceeded',
    });
  });

  test('goes no further with a lease that is not its own', () => {
    for (const ID of ['0', '123', String(keySpace(Buffer.from('other/')).leases.stored(7))]) {
      const setup = new Setup();
      const { heard } = setup.unary(lock, { name: bytes('l') });
      setup.etcd.last.respond(encodeResponse(grantName, { header, ID }));
      expect(heard.code).toBe(Code.INTERNAL);
      expect(setup.violations).toMatchObject([{ call: { method: { name: lock } } }]);
      expect(setup.etcd.calls).toHaveLength(1);
    }
  });

  test('is left to etcd where there is no namespace', () => {
    const setup = new Setup('');
    setup.unary(lock, { name: bytes('l') });
    expect(setup.stored(lock)).toEqual({ name: bytes('l'), lease: '0' });
  });
});

describe('a lock or a campaign with a lease', () => {
  test.each([lock, campaign] as const)('%s names it within the namespace', (name) => {
    const setup = new Setup();
    setup.unary(name, { name: bytes('n'), lease: 5 });
    expect(setup.etcd.calls).toHaveLength(1);
    expect(setup.stored(name)).toMatchObject({ name: bytes('t1/n'), lease: stored(setup, 5) });
  });

  test.each(['-1', '2147483648', '9223372036854775807'])('cannot name %s', (lease) => {
    const setup = new Setup();
    setup.unary(lock, { name: bytes('n'), lease });
    // The one that never exists, so that etcd itself says so.
    expect(setup.stored(lock).lease).toBe(stored(setup, 0));
  });

  test('may have an empty name or none', () => {
    const setup = new Setup();
    for (const request of [{ lease: 5 }, { name: bytes(''), lease: 5 }]) {
      setup.unary(lock, request);
      expect(setup.stored(lock).name).toEqual(bytes('t1/'));
    }
    expect(setup.unary(campaign, { name: bytes('n') }).heard.status).toBeNull();
  });
});

describe('a leader', () => {
  const leader = { name: bytes('n'), key: bytes('n/1'), rev: '9', lease: '5' };

  test('is named to the winner by the keys and the lease of the namespace', () => {
    const setup = new Setup();
    const { heard } = setup.unary(campaign, { name: bytes('n'), lease: 5 });
    const below = { name: bytes('t1/n'), key: bytes('t1/n/1'), rev: '9', lease: stored(setup, 5) };
    setup.etcd.last.respond(encodeResponse(campaign, { header, leader: below }));
    expect(answerOf(campaign, heard)).toMatchObject({ header, leader });
  });

  test('proclaims with its own lease', () => {
    const setup = new Setup();
    setup.unary(proclaim, { leader, value: bytes('v') });
    const below = { name: bytes('t1/n'), key: bytes('t1/n/1'), rev: '9', lease: stored(setup, 5) };
    expect(setup.stored(proclaim)).toEqual({ leader: below, value: bytes('v') });
  });

  test.each<[string, LeaderKey]>([
    ['of zero', { ...leader, lease: 0 }],
    ['that is absent', { name: leader.name, key: leader.key, rev: leader.rev }],
  ])('gets a lease to proclaim with instead of one %s', (_what, request) => {
    const setup = new Setup();
    setup.unary(proclaim, { leader: request, value: bytes('v') });
    granted(setup, 77);
    expect(setup.stored(proclaim)).toEqual({
      leader: { name: bytes('t1/n'), key: bytes('t1/n/1'), rev: '9', lease: stored(setup, 77) },
      value: bytes('v'),
    });
  });

  test('that is missing is left to etcd to object to, and costs no lease', () => {
    for (const name of [proclaim, resign] as const) {
      const setup = new Setup();
      setup.unary(name, {});
      expect(setup.etcd.calls).toHaveLength(1);
      expect(setup.stored(name).leader).toBeNull();
    }
  });

  test('resigns with no lease that etcd would grant', () => {
    const setup = new Setup();
    for (const lease of ['0', '-1', '2147483648']) {
      setup.unary(resign, { leader: { ...leader, lease } });
      expect(setup.stored(resign).leader?.lease).toBe(stored(setup, 0));
    }
    setup.unary(resign, { leader: { key: leader.key } });
    expect(setup.stored(resign).leader).toMatchObject({
      name: bytes('t1/'),
      key: bytes('t1/n/1'),
      lease: stored(setup, 0),
    });
  });

  test.each([proclaim, resign] as const)('without a key is refused by %s', (name) => {
    const setup = new Setup();
    for (const key of [bytes(''), undefined]) {
      const { heard } = setup.unary(name, {
        leader: { name: bytes('n'), ...(key !== undefined && { key }) },
      });
      expect(heard).toMatchObject({
        code: Code.UNKNOWN,
        text: 'etcdserver: key is not provided',
      });
    }
    expect(setup.etcd.calls).toEqual([]);
  });

  test('that is given twice is rejected before a lease is granted', () => {
    const setup = new Setup();
    // Two leaders, each with the key `a`.
    const { heard } = setup.unaryBytes(proclaim, Buffer.from('0a0312016' + '10a03120161', 'hex'));
    expect(heard.code).toBe(Code.INVALID_ARGUMENT);
    expect(setup.etcd.calls).toEqual([]);
  });
});
