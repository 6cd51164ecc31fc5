import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cacheLimits, newCacheContext } from '../../src/cache/cache-context.ts';
import { reasonTrailer } from '../../src/call/refusals.ts';
import { noLimits } from '../../src/config/sections/usage-limits.ts';
import type { MethodName } from '../../src/etcd/methods.ts';
import { metadataValue } from '../../src/grpc/metadata.ts';
import { Breakers } from '../../src/guard/breaker/breakers.ts';
import { Hold } from '../../src/guard/hold.ts';
import { makeQueues } from '../../src/guard/queues.ts';
import { RetryBudget } from '../../src/guard/retry-budget.ts';
import { HashingGate } from '../../src/identity/hashing-gate.ts';
import { byListener } from '../../src/identity/identify.ts';
import { Passwords } from '../../src/identity/password.ts';
import { Sessions } from '../../src/identity/sessions.ts';
import { VerifiedPasswords } from '../../src/identity/verified-passwords.ts';
import { KeepAlives } from '../../src/lease/keep-alives.ts';
import { keepAliveLimits } from '../../src/lease/limits.ts';
import { OpenStreams } from '../../src/lifecycle/drain.ts';
import { Lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { CallCounters } from '../../src/observe/call-counters.ts';
import { noCallEvents } from '../../src/observe/events.ts';
import { type Parts, pipeline } from '../../src/pipeline.ts';
import { ReadStats } from '../../src/reads/coalesce.ts';
import { Deadlines } from '../../src/runtime/deadlines.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import { Usage } from '../../src/tenant/usage.ts';
import { watchLimits } from '../../src/watch/stream/watch-limits.ts';
import { Caller } from '../support/caller.ts';
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from '../support/codec.ts';
import { FakeEtcd } from '../support/fake-etcd.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { directoryOf, listenerConfig, tenantConfig } from '../support/tenancy.ts';
import { callOf, onBytes } from '../support/test-call.ts';
import { testHub } from '../support/watch-hub.ts';

const source = readFileSync(new URL('../../src/pipeline.ts', import.meta.url), 'utf8');
/** Comment, step and part of each line of the chain, outermost first. */
const lines = [
  ...source.matchAll(/^ *\/\/ (.+)\n *(?:\.through|from)\((\w+)\((?:parts\.(\w+))?\)\)$/gm),
].map(([, comment = '', step = '', part = '']) => ({ comment, step, part }));

describe('src/pipeline.ts', () => {
  test('has a comment for every step', () => {
    expect(lines.length).toBeGreaterThanOrEqual(10);
    expect(source.match(/\.through\(/g)).toHaveLength(lines.length - 1);
    expect(lines[0]?.comment).toMatch(/^Outermost/);
    expect(lines.at(-1)?.comment).toMatch(/Innermost/);
  });

  test.each(lines)('imports $step from the file of that name, directly in a folder', ({ step }) => {
    const imported = [...source.matchAll(/^import \{([^}]*)\} from '([^']*)';$/gm)].filter(
      ([, names = '']) => names.split(',').some((name) => name.trim() === step),
    );
    expect(imported.map(([, , path]) => path)).toEqual([
      expect.stringMatching(new RegExp(`^\\./[a-z]+/${step}\\.ts$`)),
    ]);
  });

  test('names the parts after their steps, in the order of the chain', () => {
    const [, body = ''] = /interface Parts \{([^}]*)\}/.exec(source) ?? [];
    const parts = [...body.matchAll(/readonly (\w+):/g)].map(([, part]) => part);
    const withParts = lines.filter(({ part }) => part !== '');
    for (const { step, part } of withParts) expect(part).toBe(step);
    expect(parts).toEqual([...withParts.map(({ part }) => part), 'upstream']);
  });
});

/** The real pipeline over a fake upstream. The listener `main` belongs to `game-1`. */
function setUp() {
  const clock = new ManualClock();
  const deadlines = new Deadlines(clock);
  const total = new Usage();
  const upstream = new FakeEtcd<'store'>();
  const faults: unknown[] = [];
  const unidentified: string[] = [];
  const directory = {
    current: directoryOf({
      tenants: [tenantConfig('game-1')],
      listeners: [listenerConfig('main', { tenant: 'game-1' }), listenerConfig('other')],
    }),
  };
  const hub = testHub(clock);
  const parts: Parts = {
    rescue: { onFault: (_call, error) => void faults.push(error), onRejected: null },
    health: new Lifecycle(),
    authenticate: {
      directory,
      sessions: new Sessions(clock, systemRandom),
      passwords: new Passwords(),
      gate: new HashingGate(),
      verified: new VerifiedPasswords(clock),
      header: () => new Uint8Array(0),
      onOutcome: null,
    },
    identify: {
      directory,
      sources: [byListener],
      onRejected: (_call, reason) => void unidentified.push(reason),
      onConnected: null,
    },
    trace: null,
    observe: { clock, counters: new CallCounters(), events: noCallEvents },
    drain: new OpenStreams(clock),
    limit: { clock, total },
    cache: {
      context: newCacheContext(
        {
          clock,
          deadlines,
          ordersProgress: () => true,
          keysOnlyLeases: () => true,
        },
        cacheLimits,
      ),
      hub,
      isShared: () => true,
    },
    watch: { limits: watchLimits, hub, total, isShared: () => true },
    coalesce: {
      isEnabled: true,
      clock,
      deadlines,
      stats: new ReadStats(),
      isShared: () => true,
    },
    namespace: {
      random: systemRandom,
      hooks: { violation: () => {}, foreignLeases: () => {}, leaseChecked: () => {} },
      self: { name: 'bulkhead', memberId: 1n, clientUrls: () => [], registered: () => [] },
    },
    renew: {
      keepAlives: new KeepAlives({
        clock,
        random: systemRandom,
        deadlines,
        limits: keepAliveLimits,
        availability: {
          isAvailable: () => true,
          isFull: () => false,
          isDialing: () => false,
          onAvailable: () => {},
        },
        holdMs: 5_000,
        requestTimeoutMs: 15_000,
        onFault: (error) => void faults.push(error),
      }),
      isShared: () => true,
    },
    guard: {
      clock,
      deadlines,
      breakers: new Breakers({
        config: {
          enabled: true,
          windowMs: 10_000,
          callsMin: 5,
          errorPercent: 50,
          openMs: 1_000,
          openMaxMs: 10_000,
        },
        clock,
        random: systemRandom,
        deadlines,
        onState: null,
      }),
      budget: new RetryBudget(clock),
      hold: new Hold({
        isAvailable: () => true,
        isFull: () => false,
        isDialing: () => false,
        onAvailable: () => () => {},
      }),
      ...makeQueues(
        { inFlightMax: 1_000, readBytesMax: 1 << 20, hasOneTenant: true },
        systemRandom,
      ),
      holdMs: 5_000,
      requestTimeoutMs: 15_000,
      onRetry: null,
    },
    upstream,
  };
  const state = directory.current.byName('game-1')?.state;
  if (state === undefined) throw new Error('no tenant');
  return { etcd: onBytes(pipeline(parts)), upstream, faults, unidentified, state, total };
}

const put = 'etcdserverpb.KV/Put';
const request = encodeRequest(put, { key: Buffer.from('a'), value: Buffer.from('v') });

describe('a call through the whole pipeline', () => {
  test('reaches etcd with the stored key, and its response returns with the visible one', () => {
    const { etcd, upstream, faults } = setUp();
    const caller = new Caller();
    const call = callOf(put);
    etcd.unary(call, request, caller);
    expect(call.tenant?.name).toBe('game-1');
    expect(decodeRequest(put, upstream.last.request)).toMatchObject({
      key: Buffer.from('game-1/a'),
      value: Buffer.from('v'),
    });
    const header = { cluster_id: '7', member_id: '8', revision: '9', raft_term: '3' };
    const prevKv = { key: Buffer.from('game-1/a'), value: Buffer.from('before') };
    upstream.last.respond(encodeResponse(put, { header, prev_kv: prevKv }));
    expect(caller.isOk).toBe(true);
    expect(caller.messages.map((response) => decodeResponse(put, response))).toMatchObject([
      { header, prev_kv: { key: Buffer.from('a'), value: Buffer.from('before') } },
    ]);
    expect(faults).toEqual([]);
  });

  test('is rejected if no tenant is identified', () => {
    const { etcd, upstream, unidentified } = setUp();
    const caller = new Caller();
    etcd.unary(callOf(put, { listener: 'other' }), request, caller);
    expect(metadataValue(caller.status?.trailers ?? [], reasonTrailer)).toBe('tenant-unknown');
    expect(unidentified).toEqual(['tenant-unknown']);
    expect(upstream.calls).toEqual([]);
  });

  test('ends with Internal, for this call alone, if a layer throws', () => {
    const { etcd, upstream, faults } = setUp();
    const bug = new Error('a bug');
    upstream.onCall = () => {
      upstream.onCall = null;
      throw bug;
    };
    const [first, second] = [new Caller(), new Caller()];
    etcd.unary(callOf(put), request, first);
    expect(metadataValue(first.status?.trailers ?? [], reasonTrailer)).toBe('proxy-fault');
    etcd.unary(callOf(put), request, second);
    upstream.last.respond(encodeResponse(put, {}));
    expect(second.isOk).toBe(true);
    expect(faults).toEqual([bug]);
  });

  test('is refused above a limit, and does not use one up if it is rejected for another reason', () => {
    const { etcd, upstream, state } = setUp();
    state.applyLimits({ ...noLimits, callsPerSecond: 1, callBurst: 1 });
    const reasonOf = (name: MethodName, message = request) => {
      const caller = new Caller();
      etcd.unary(callOf(name), message, caller);
      return metadataValue(caller.status?.trailers ?? [], reasonTrailer) ?? 'none';
    };
    expect(reasonOf('etcdserverpb.Maintenance/Defragment')).toBe('method-denied');
    expect(reasonOf('grpc.health.v1.Health/Check', Buffer.alloc(0))).toBe('none');
    expect(upstream.calls).toHaveLength(0);
    expect(reasonOf(put)).toBe('none');
    expect(reasonOf(put)).toBe('call-rate-limit');
    expect(reasonOf('grpc.health.v1.Health/Check', Buffer.alloc(0))).toBe('none');
    expect(upstream.calls).toHaveLength(1);
  });

  test('counts as open until its end, also if a bug ends it', () => {
    const { etcd, upstream, state, total } = setUp();
    const open = () => [state.usage, total].map((each) => each.openCalls + each.openStreams);
    const watch = 'etcdserverpb.Watch/Watch';
    const callers = [new Caller(), new Caller()];
    for (const caller of callers) etcd.unary(callOf(put), request, caller);
    const stream = etcd.stream(callOf(watch), new Caller());
    expect(open()).toEqual([3, 3]);
    upstream.onCall = () => {
      throw new Error('a bug');
    };
    etcd.unary(callOf(put), request, new Caller());
    expect(open()).toEqual([3, 3]);
    for (const call of upstream.calls.slice(0, 2)) call.respond(encodeResponse(put, {}));
    expect(callers.map(({ isOk }) => isOk)).toEqual([true, true]);
    stream.cancel();
    expect(open()).toEqual([0, 0]);
  });
});
