import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { coalesce, ReadStats } from '../../../src/reads/coalesce.ts';
import { Deadlines } from '../../../src/runtime/deadlines.ts';
import type { Tenant } from '../../../src/tenant/tenant.ts';
import { Caller } from '../../support/caller.ts';
import { encodeRequest } from '../../support/codec.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import type { RangeRequest } from '../../support/messages.ts';
import { type CallOptions, callOf, onBytes, testTenant } from '../../support/test-call.ts';

const range = 'etcdserverpb.KV/Range';

class Setup {
  readonly clock = new ManualClock();
  readonly etcd = new FakeEtcd<'tenant'>();
  readonly stats = new ReadStats();
  readonly tenant: Tenant = testTenant();
  readonly layer;

  constructor(isEnabled = true) {
    this.layer = onBytes(
      coalesce({
        isEnabled,
        clock: this.clock,
        deadlines: new Deadlines(this.clock),
        stats: this.stats,
        isShared: ({ peer }) => peer.listener !== 'passing',
      })(this.etcd),
    );
  }

  read(options: CallOptions = {}, request: RangeRequest = {}) {
    const caller = new Caller();
    const call = callOf(range, { tenant: this.tenant, ...options });
    const bytes = encodeRequest(range, { key: Buffer.from('k'), serializable: true, ...request });
    return { caller, call, handle: this.layer.unary(call, bytes, caller) };
  }
}

describe('identical serializable reads in flight', () => {
  test('share one read, and its response is not copied', () => {
    const setup = new Setup();
    const reads = [setup.read(), setup.read(), setup.read()];
    expect(setup.etcd.calls).toHaveLength(1);
    setup.etcd.last.respond('the response');
    for (const { caller } of reads) {
      expect(caller.texts).toEqual(['the response']);
      expect(caller.isOk).toBe(true);
      expect(caller.sharedTails[0]).toBe(reads[0]?.caller.sharedTails[0]);
    }
    expect(setup.stats.joined).toBe(2);
  });

  test('are not joined once the response is there', () => {
    const setup = new Setup();
    setup.read();
    setup.etcd.last.deliver('first');
    setup.read();
    expect(setup.etcd.calls).toHaveLength(2);
  });

  test('of one caller give it the response as its own', () => {
    const setup = new Setup();
    const { caller } = setup.read();
    setup.etcd.last.respond('alone');
    expect([caller.texts, caller.sharedTails]).toEqual([['alone'], []]);
  });

  test('get the error of the one read unchanged', () => {
    const setup = new Setup();
    const reads = [setup.read(), setup.read()];
    setup.etcd.last.fail(Code.UNAVAILABLE, 'etcdserver: request timed out');
    for (const { caller } of reads) expect(caller.text).toBe('etcdserver: request timed out');
  });

  test('are 1,024 at most per read', () => {
    const setup = new Setup();
    for (let i = 0; i < 1_025; i += 1) setup.read();
    expect(setup.etcd.calls).toHaveLength(2);
  });
});

describe('a read is not shared', () => {
  test.each<[string, CallOptions, RangeRequest]>([
    ['another key', {}, { key: Buffer.from('other') }],
    ['another limit', {}, { limit: 1 }],
    ['another tenant', { tenant: testTenant('game-2') }, {}],
    ['a client that requires a leader', { metadata: ['hasleader', 'true'] }, {}],
    ['another version of the client', { metadata: ['client-api-version', '3.5'] }, {}],
    ['a deadline, after one without', { deadlineMs: 60_000 }, {}],
    ["a client's own credentials", { listener: 'passing' }, {}],
  ])('with %s', (_what, options, request) => {
    const setup = new Setup();
    setup.read();
    setup.read(options, request);
    expect(setup.etcd.calls).toHaveLength(2);
  });

  test('if it is linearizable', () => {
    const setup = new Setup();
    setup.read({}, { serializable: false });
    setup.read({}, { serializable: false });
    expect(setup.etcd.calls).toHaveLength(2);
    expect(setup.etcd.last.call.faultHandler).toBeNull();
  });

  test('if the tenant has compacted since it was sent', () => {
    const setup = new Setup();
    setup.read();
    setup.tenant.state.floor.raise(5, new Uint8Array(0));
    setup.read();
    expect(setup.etcd.calls).toHaveLength(2);
  });

  test('if its request is large', () => {
    const setup = new Setup();
    setup.read({}, { key: Buffer.alloc(5_000) });
    setup.read({}, { key: Buffer.alloc(5_000) });
    expect(setup.etcd.calls).toHaveLength(2);
  });

  test('when sharing is off', () => {
    const setup = new Setup(false);
    setup.read();
    setup.read();
    expect(setup.etcd.calls).toHaveLength(2);
  });
});

describe('a caller that leaves', () => {
  test('does not end the read of the others, also if it was the first', () => {
    const setup = new Setup();
    const [first, second] = [setup.read(), setup.read()];
    first.handle.cancel();
    expect(setup.etcd.last.isCancelled).toBe(false);
    setup.etcd.last.respond('r');
    expect([first.caller.texts, second.caller.texts]).toEqual([[], ['r']]);
  });

  test('ends the read if it was the last', () => {
    const setup = new Setup();
    const [first, second] = [setup.read(), setup.read()];
    first.handle.cancel();
    second.handle.cancel();
    expect(setup.etcd.last.isCancelled).toBe(true);
    setup.read();
    expect(setup.etcd.calls).toHaveLength(2);
  });

  test('while the read is being started ends it', () => {
    const setup = new Setup();
    const call = callOf(range, { tenant: setup.tenant });
    setup.etcd.onCall = ({ call: derived }) => derived.fault(new Error('a bug'));
    const faults: unknown[] = [];
    call.faultHandler = { onFault: (error) => void faults.push(error) };
    const request = encodeRequest(range, { key: Buffer.from('k'), serializable: true });
    setup.layer.unary(call, request, new Caller());
    expect(faults).toHaveLength(1);
    expect(setup.etcd.last.isCancelled).toBe(true);
  });
});

describe('deadlines', () => {
  const deadlineMs = 1_000;
  /** A read shares no read with one that has no deadline. */
  const longMs = 60_000;
  const expire = (setup: Setup) => setup.etcd.last.fail(Code.DEADLINE_EXCEEDED, 'too late');

  test('the read has that of its first caller', () => {
    const setup = new Setup();
    setup.read({ deadlineMs });
    expect(setup.etcd.last.call.deadlineMs).toBe(deadlineMs);
  });

  test('a caller that joined ends at its own', () => {
    const setup = new Setup();
    const [first, second] = [setup.read({ deadlineMs: 5_000 }), setup.read({ deadlineMs })];
    setup.clock.advance(1_100);
    expect([first.caller.status, second.caller.code]).toEqual([null, Code.DEADLINE_EXCEEDED]);
    setup.etcd.last.respond('r');
    expect(first.caller.texts).toEqual(['r']);
  });

  test('the read is sent again for those that wait longer than its first caller', () => {
    const setup = new Setup();
    const reads = [deadlineMs, 5_000, longMs].map((each) => setup.read({ deadlineMs: each }));
    const [first, second, third] = reads.map(({ caller }) => caller);
    setup.clock.advance(1_000);
    expire(setup);
    expect([first?.code, second?.status, third?.status]).toEqual([4, null, null]);
    expect(setup.etcd.calls).toHaveLength(2);
    expect(setup.etcd.last.call.deadlineMs).toBe(5_000);
    setup.read({ deadlineMs: longMs });
    expect(setup.etcd.calls).toHaveLength(2);
    setup.etcd.last.respond('r');
    expect([second?.texts, third?.texts]).toEqual([['r'], ['r']]);
  });

  test('a read that ends between its response and its status gives no caller two responses', () => {
    const setup = new Setup();
    const reads = [deadlineMs, 5_000, longMs].map((each) => setup.read({ deadlineMs: each }));
    setup.etcd.last.deliver('r');
    setup.clock.advance(1_000);
    expire(setup);
    expect(setup.etcd.calls).toHaveLength(1);
    expect(reads.map(({ caller }) => caller.texts)).toEqual([['r'], ['r'], ['r']]);
    expect(reads.map(({ caller }) => caller.code)).toEqual([
      Code.DEADLINE_EXCEEDED,
      Code.UNAVAILABLE,
      Code.UNAVAILABLE,
    ]);
  });

  test('a deadline that etcd reports early is an error as any other', () => {
    const setup = new Setup();
    const reads = [setup.read({ deadlineMs }), setup.read({ deadlineMs: longMs })];
    expire(setup);
    expect(reads.map(({ caller }) => caller.text)).toEqual(['too late', 'too late']);
  });

  test('that have passed at the start leave no read behind', () => {
    const setup = new Setup();
    setup.etcd.onCall = (call) => {
      setup.etcd.onCall = null;
      call.fail(Code.DEADLINE_EXCEEDED, 'too late');
    };
    const { caller } = setup.read({ deadlineMs: 0 });
    expect(caller.text).toBe('too late');
    setup.read({ deadlineMs: longMs });
    expect(setup.etcd.calls).toHaveLength(2);
  });
});

test('a bug below ends the calls of all callers, each through its own fault handler', () => {
  const setup = new Setup();
  const reads = [setup.read(), setup.read()];
  const faults: unknown[] = [];
  for (const { call } of reads) call.faultHandler = { onFault: (e) => void faults.push(e) };
  const bug = new Error('a bug');
  setup.etcd.last.call.fault(bug);
  expect(faults).toEqual([bug, bug]);
  expect(setup.etcd.last.isCancelled).toBe(true);
});
