import { describe, expect, test } from 'vitest';
import { limit } from '../../../src/admission/limit.ts';
import { noLimits, type UsageLimits } from '../../../src/config/sections/usage-limits.ts';
import { type MethodName, method } from '../../../src/etcd/methods.ts';
import { metadataValue } from '../../../src/grpc/metadata.ts';
import { Code, status } from '../../../src/grpc/status.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { Usage } from '../../../src/tenant/usage.ts';
import { Caller } from '../../support/caller.ts';
import { encodeRequest } from '../../support/codec.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { Seeded, seed } from '../../support/seeded.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const put = 'etcdserverpb.KV/Put';
const grant = 'etcdserverpb.Lease/LeaseGrant';
const lock = 'v3lockpb.Lock/Lock';
const watch = 'etcdserverpb.Watch/Watch';
const keepAlive = 'etcdserverpb.Lease/LeaseKeepAlive';
const revoke = 'etcdserverpb.Lease/LeaseRevoke';

class Setup {
  readonly clock = new ManualClock();
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly total = new Usage();
  readonly tenant = testTenant();
  readonly layer = onBytes(limit({ clock: this.clock, total: this.total })(this.etcd));

  constructor(limits: Partial<UsageLimits> = {}, totals: Partial<UsageLimits> = {}) {
    this.limit(limits);
    this.total.limits = { ...noLimits, ...totals };
  }

  /** As a reload does. */
  limit(limits: Partial<UsageLimits>, tenant = this.tenant): void {
    tenant.state.usage.limits = { ...noLimits, ...limits };
  }

  call(name: MethodName, request: Uint8Array = Buffer.alloc(0), tenant: Tenant = this.tenant) {
    const caller = new Caller();
    const call = callOf(name, { tenant });
    const { requestStream, responseStream } = method(name);
    const handle =
      requestStream || responseStream
        ? this.layer.stream(call, caller)
        : this.layer.unary(call, request, caller);
    return { caller, handle };
  }

  /** `passed`, or the reason of the refusal. */
  outcome(name: MethodName, request: Uint8Array = Buffer.alloc(0), tenant = this.tenant): string {
    const before = this.etcd.calls.length;
    const { caller } = this.call(name, request, tenant);
    if (caller.status === null) {
      expect(this.etcd.calls).toHaveLength(before + 1);
      return 'passed';
    }
    expect(this.etcd.calls).toHaveLength(before);
    expect(caller.code).toBe(Code.RESOURCE_EXHAUSTED);
    return metadataValue(caller.status.trailers, 'etcd-bulkhead-reason') ?? '';
  }

  get open() {
    const { openCalls, openStreams } = this.tenant.state.usage;
    expect([this.total.openCalls, this.total.openStreams]).toEqual([openCalls, openStreams]);
    return { openCalls, openStreams };
  }

  get refusals() {
    return Object.fromEntries(this.tenant.state.usage.refusals);
  }
}

describe('the rate of calls', () => {
  test('above its burst refuses calls and streams, until time has passed', () => {
    const setup = new Setup({ callsPerSecond: 10, callBurst: 3 });
    expect([put, watch, put, put].map((name) => setup.outcome(name as MethodName))).toEqual([
      ...['passed', 'passed', 'passed'],
      'call-rate-limit',
    ]);
    expect(setup.outcome(watch)).toBe('call-rate-limit');
    setup.clock.advance(100);
    expect(setup.outcome(put)).toBe('passed');
    expect(setup.outcome(put)).toBe('call-rate-limit');
    expect(setup.refusals).toEqual({ 'max-calls-per-second': 3 });
  });

  test('is refused with the text of etcd, the limit, and when to try again', () => {
    const setup = new Setup({ callsPerSecond: 1, callBurst: 1 });
    setup.call(put);
    const { status: refused } = setup.call(put).caller;
    expect(refused).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      text: 'etcdserver: too many requests',
      origin: 'proxy',
    });
    expect(metadataValue(refused?.trailers ?? [], 'etcd-bulkhead-hint')).toBe(
      'the limit max-calls-per-second is reached',
    );
    expect(metadataValue(refused?.trailers ?? [], 'grpc-retry-pushback-ms')).toBe('1000');
  });

  test('of one tenant does not limit another one', () => {
    const setup = new Setup({ callsPerSecond: 1, callBurst: 1 });
    const other = testTenant('game-2');
    setup.limit({ callsPerSecond: 1, callBurst: 1 }, other);
    setup.call(put);
    expect(setup.outcome(put)).toBe('call-rate-limit');
    expect(setup.outcome(put, Buffer.alloc(0), other)).toBe('passed');
  });

  test('of all tenants together limits each of them, and is not used up by refused calls', () => {
    const setup = new Setup(
      { callsPerSecond: 1, callBurst: 1 },
      { callsPerSecond: 2, callBurst: 2 },
    );
    const other = testTenant('game-2');
    setup.call(put);
    for (let i = 0; i < 10; i++) expect(setup.outcome(put)).toBe('call-rate-limit');
    expect(setup.outcome(put, Buffer.alloc(0), other)).toBe('passed');
    expect(setup.outcome(put, Buffer.alloc(0), other)).toBe('call-rate-limit');
    expect(Object.fromEntries(other.state.usage.refusals)).toEqual({
      'max-total-calls-per-second': 1,
    });
  });
});

describe('open calls', () => {
  test('are refused above the limit, until one has ended', () => {
    const setup = new Setup({ openCallsMax: 2 });
    setup.call(put);
    const second = setup.call(put);
    expect(setup.outcome(put)).toBe('open-calls-limit');
    second.handle.cancel();
    expect(setup.outcome(put)).toBe('passed');
    setup.etcd.calls[0]?.respond('');
    expect(setup.outcome(put)).toBe('passed');
    expect(setup.refusals).toEqual({ 'max-open-calls': 1 });
  });

  test('of all tenants together have a limit, too', () => {
    const setup = new Setup({}, { openCallsMax: 1, openStreamsMax: 1 });
    const other = testTenant('game-2');
    setup.call(put, Buffer.alloc(0), other);
    setup.call(watch, Buffer.alloc(0), other);
    expect(setup.outcome(put)).toBe('open-calls-limit');
    expect(setup.outcome(watch)).toBe('open-streams-limit');
    expect(setup.refusals).toEqual({ 'max-total-open-calls': 1, 'max-total-open-streams': 1 });
  });

  test('that wait for other clients count as streams', () => {
    const setup = new Setup({ openStreamsMax: 2, openCallsMax: 0 });
    setup.call(lock);
    setup.call(watch);
    expect(setup.outcome('v3electionpb.Election/Campaign')).toBe('open-streams-limit');
    expect(setup.outcome('v3electionpb.Election/Observe')).toBe('open-streams-limit');
    expect(setup.open).toEqual({ openCalls: 0, openStreams: 2 });
  });

  test('that end while they are started are not counted', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => call.end(status(Code.UNAVAILABLE, 'gone', 'proxy'));
    setup.call(put);
    setup.call(watch);
    expect(setup.open).toEqual({ openCalls: 0, openStreams: 0 });
  });

  test('that a bug ends while they are started are not counted', () => {
    const setup = new Setup();
    setup.etcd.onCall = () => {
      throw new Error('a bug');
    };
    expect(() => setup.call(put)).toThrow('a bug');
    expect(() => setup.call(watch)).toThrow('a bug');
    expect(setup.open).toEqual({ openCalls: 0, openStreams: 0 });
  });
});

describe('new leases', () => {
  const named = encodeRequest(lock, { name: Buffer.from('l'), lease: 7 });
  const unnamed = encodeRequest(lock, { name: Buffer.from('l') });

  test('are refused above the rate of a minute, and locks that grant one, too', () => {
    const setup = new Setup({ leasesPerMinute: 2 });
    expect([setup.outcome(grant), setup.outcome(lock, unnamed)]).toEqual(['passed', 'passed']);
    expect(setup.outcome(grant)).toBe('lease-rate-limit');
    expect(setup.outcome(lock, unnamed)).toBe('lease-rate-limit');
    expect(setup.outcome(lock, named)).toBe('passed');
    setup.clock.advance(30_000);
    expect(setup.outcome(grant)).toBe('passed');
    expect(setup.outcome(grant)).toBe('lease-rate-limit');
  });

  test('that another limit refuses use up nothing', () => {
    const setup = new Setup({ leasesPerMinute: 1, callsPerSecond: 1, callBurst: 1 });
    setup.call(put);
    expect(setup.outcome(grant)).toBe('call-rate-limit');
    setup.clock.advance(1_000);
    expect(setup.outcome(grant)).toBe('passed');
  });
});

test('keepalives and revokes are never refused and not counted', () => {
  const none = { callsPerSecond: 0.001, callBurst: 1, openCallsMax: 1, openStreamsMax: 1 };
  const setup = new Setup(none, none);
  setup.call(put);
  setup.limit({ ...none, openCallsMax: 0, openStreamsMax: 0 });
  for (let i = 0; i < 100; i++) {
    expect(setup.outcome(keepAlive)).toBe('passed');
    expect(setup.outcome(revoke)).toBe('passed');
  }
  expect(setup.open).toEqual({ openCalls: 1, openStreams: 0 });
});

describe('a message above the limit of its tenant', () => {
  test('ends a unary call before etcd, with the text of a server that receives it', () => {
    const setup = new Setup({ messageBytesMax: 100 });
    expect(setup.outcome(put, Buffer.alloc(100))).toBe('passed');
    const { caller } = setup.call(put, Buffer.alloc(101));
    expect([caller.code, caller.text]).toEqual([
      Code.RESOURCE_EXHAUSTED,
      'grpc: received message larger than max (101 vs. 100)',
    ]);
    expect(setup.etcd.calls).toHaveLength(1);
    expect(setup.refusals).toEqual({ 'max-request-bytes': 1 });
  });

  test('ends a stream, at etcd too', () => {
    const setup = new Setup({ messageBytesMax: 100 });
    const caller = new Caller();
    const requests = setup.layer.stream(callOf(watch, { tenant: setup.tenant }), caller);
    requests.send(Buffer.alloc(100));
    requests.send(Buffer.alloc(101));
    expect(caller.text).toBe('grpc: received message larger than max (101 vs. 100)');
    expect(setup.etcd.last).toMatchObject({ isCancelled: true, requests: [Buffer.alloc(100)] });
    expect(setup.open.openStreams).toBe(0);
  });
});

test('a reload changes the limits of a tenant and keeps what is counted', () => {
  const setup = new Setup({ openCallsMax: 2, callsPerSecond: 1, callBurst: 3 });
  setup.call(put);
  setup.call(put);
  setup.limit({ openCallsMax: 3, callsPerSecond: 1, callBurst: 3 });
  expect(setup.outcome(put)).toBe('passed');
  expect(setup.outcome(put)).toBe('open-calls-limit');
  setup.limit({ openCallsMax: 1 });
  setup.etcd.calls[0]?.respond('');
  setup.etcd.calls[1]?.respond('');
  expect(setup.open.openCalls).toBe(1);
  expect(setup.outcome(put)).toBe('open-calls-limit');
});

test('counts agree with the calls that are open, whatever happens to them', () => {
  const random = new Seeded(seed);
  const setup = new Setup();
  const open = new Map<
    ReturnType<Setup['call']>,
    { isStream: boolean; below: FakeEtcd<'tenant'>['last'] }
  >();
  const names: readonly MethodName[] = [put, grant, lock, watch, keepAlive, revoke];
  for (let step = 0; step < 20_000; step++) {
    const [call] = open.size > 0 && random.chance(0.5) ? [random.pick([...open.keys()])] : [];
    if (call === undefined) {
      const name = random.pick(names);
      setup.etcd.onCall = random.chance(0.1) ? (below) => below.end() : null;
      if (random.chance(0.05)) {
        setup.limit({ openCallsMax: random.below(20), openStreamsMax: random.below(20) });
      }
      const started = setup.call(name);
      if (started.caller.status !== null || name === keepAlive || name === revoke) continue;
      open.set(started, { isStream: name === lock || name === watch, below: setup.etcd.last });
    } else {
      const { below } = open.get(call) ?? {};
      open.delete(call);
      switch (random.below(3)) {
        case 0:
          call.handle.cancel();
          // A second one has no effect.
          call.handle.cancel();
          break;
        case 1:
          below?.end();
          call.handle.cancel();
          break;
        default:
          below?.fail(Code.UNAVAILABLE, 'gone');
      }
    }
    if (step % 100 === 0) {
      const streams = [...open.values()].filter(({ isStream }) => isStream).length;
      expect(setup.open, `SEED=${seed}`).toEqual({
        openCalls: open.size - streams,
        openStreams: streams,
      });
    }
    if (open.size > 50) {
      for (const { handle } of open.keys()) handle.cancel();
      open.clear();
    }
  }
  for (const { handle } of open.keys()) handle.cancel();
  expect(setup.open, `SEED=${seed}`).toEqual({ openCalls: 0, openStreams: 0 });
});
