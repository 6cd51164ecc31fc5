import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { reasonTrailer } from '../../../src/call/refusals.ts';
import type { BreakerConfig } from '../../../src/config/sections/breaker.ts';
import type { Method, MethodName } from '../../../src/etcd/methods.ts';
import { metadataValue } from '../../../src/grpc/metadata.ts';
import { Code, type Origin, type Status, status } from '../../../src/grpc/status.ts';
import { Breakers } from '../../../src/guard/breaker/breakers.ts';
import { guard } from '../../../src/guard/guard.ts';
import { Hold } from '../../../src/guard/hold.ts';
import { makeQueues } from '../../../src/guard/queues.ts';
import { RetryBudget } from '../../../src/guard/retry-budget.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Deadlines } from '../../../src/runtime/deadlines.ts';
import { Caller } from '../../support/caller.ts';
import { type EtcdCall, FakeEtcd } from '../../support/fake-etcd.ts';
import { callOf, onBytes, testTenant } from '../../support/test-call.ts';

const config: BreakerConfig = {
  enabled: true,
  windowMs: 10_000,
  callsMin: 5,
  errorPercent: 50,
  openMs: 1_000,
  openMaxMs: 10_000,
};
const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };
const holdMs = 5_000;
const requestTimeoutMs = 15_000;

const put = 'etcdserverpb.KV/Put';
const range = 'etcdserverpb.KV/Range';
const watch = 'etcdserverpb.Watch/Watch';
const keepAlive = 'etcdserverpb.Lease/LeaseKeepAlive';

/** An upstream whose availability the test sets. */
class Switch {
  available = true;
  isAvailable = () => this.available;
  full = false;
  isFull = () => this.full;
  dialing = false;
  isDialing = () => this.dialing;
  readonly #listeners: (() => void)[] = [];

  onAvailable(listener: () => void): void {
    this.#listeners.push(listener);
  }

  turnOn(): void {
    this.available = true;
    for (const listener of this.#listeners) listener();
  }
}

function guarded(bounds = { heldCallsMax: 100, heldBytesMax: 1_000 }, inFlightMax = 1_000) {
  const deadlines = new Deadlines(systemClock);
  const breakers = new Breakers({ config, clock: systemClock, random, deadlines, onState: null });
  const upstream = new Switch();
  const hold = new Hold(upstream, bounds);
  const limits = { inFlightMax, readBytesMax: 1 << 20, hasOneTenant: true };
  const queues = makeQueues(limits, random);
  const below = new FakeEtcd<'store'>();
  const budget = new RetryBudget(systemClock);
  const retried: string[] = [];
  const parts = {
    clock: systemClock,
    deadlines,
    breakers,
    budget,
    hold,
    ...queues,
    holdMs,
    requestTimeoutMs,
    onRetry: ({ rpc }: Method) => void retried.push(rpc),
  };
  const etcd = onBytes(guard(parts)(below));
  const tenant = testTenant();

  const unary = (
    name: MethodName,
    timeoutMs = Number.POSITIVE_INFINITY,
    request: Uint8Array = Buffer.from('request'),
  ) => {
    const above = new Caller();
    const call = callOf(name, { tenant, deadlineMs: systemClock.nowMs() + timeoutMs });
    return { above, call, handle: etcd.unary(call, request, above) };
  };
  const stream = (name: MethodName, timeoutMs = Number.POSITIVE_INFINITY) => {
    const above = new Caller();
    const call = callOf(name, { tenant, deadlineMs: systemClock.nowMs() + timeoutMs });
    return { above, call, requests: etcd.stream(call, above) };
  };
  /** Fails calls until the breaker of the method is open. */
  const openBreaker = (name: MethodName) => {
    for (let i = 0; i < config.callsMin; i++) {
      unary(name);
      below.last.end(peer(Code.INTERNAL, 'broken'));
    }
    expect(breakers.of(tenant.state, callOf(name).method.breaker)?.state).toBe('open');
  };
  return {
    below,
    upstream,
    hold,
    ...queues,
    deadlines,
    breakers,
    budget,
    tenant,
    retried,
    unary,
    stream,
    openBreaker,
  };
}

function peer(code: number, text: string): Status {
  return status(code, text, 'peer', ['some-trailer', 'x']);
}

function gone(origin: Origin): Status {
  return status(Code.UNAVAILABLE, 'connection reset by peer', origin);
}

const noLeader = peer(Code.UNAVAILABLE, 'etcdserver: no leader');

function reasonOf(above: Caller): string | undefined {
  return above.status === null ? undefined : metadataValue(above.status.trailers, reasonTrailer);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a unary call', () => {
  test('passes unchanged, and leaves no timer', () => {
    const { below, unary, deadlines } = guarded();
    const { above } = unary(put);
    expect(deadlines.count).toBe(1);
    below.last.deliver('done');
    below.last.end();
    expect(above.texts).toEqual(['done']);
    expect(above.status?.code).toBe(Code.OK);
    expect(Buffer.from(below.last.requests[0] ?? []).toString()).toBe('request');
    expect(deadlines.count).toBe(0);
  });

  test('ends with the status of etcd, unchanged', () => {
    const { below, unary } = guarded();
    const { above } = unary(put);
    const said = peer(Code.FAILED_PRECONDITION, 'etcdserver: lease already exists');
    below.last.end(said);
    expect(above.status).toBe(said);
  });

  test('may end while it is being started', () => {
    const { below, unary, deadlines } = guarded();
    below.onCall = (attempt) => {
      attempt.deliver('at once');
      attempt.end();
    };
    const { above, handle } = unary(range);
    expect(above.texts).toEqual(['at once']);
    handle.cancel();
    expect(below.calls).toHaveLength(1);
    expect(below.last.isCancelled).toBe(false);
    expect(deadlines.count).toBe(0);
  });

  test('ends with DeadlineExceeded at its own deadline, and is cancelled below', () => {
    const { below, unary } = guarded();
    const { above } = unary(put, 300);
    vi.advanceTimersByTime(299);
    expect(above.status).toBeNull();
    vi.advanceTimersByTime(100);
    expect(above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(below.last.isCancelled).toBe(true);
  });

  test('ends with DeadlineExceeded, once, when the server resets it at its deadline', () => {
    const { below, unary, deadlines } = guarded();
    const { above } = unary(range, 110);
    // After the deadline, and before the timer wheel reaches it.
    vi.advanceTimersByTime(111);
    expect(above.status).toBeNull();
    below.last.end(gone('lost'));
    expect(above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(reasonOf(above)).toBe('deadline-passed');
    expect([below.calls.length, deadlines.count]).toEqual([1, 0]);
  });

  test('is not sent when its deadline has passed', () => {
    const { below, unary } = guarded();
    const { above } = unary(put, 0);
    expect(above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(below.calls).toEqual([]);
  });

  test('without a deadline ends with the status of an etcd timeout, which clients do not retry', () => {
    const { below, unary } = guarded();
    const { above } = unary(put);
    vi.advanceTimersByTime(requestTimeoutMs + 100);
    expect(above.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcdserver: request timed out',
    });
    expect(below.last.isCancelled).toBe(true);
    expect(below.calls).toHaveLength(1);
  });

  test('passes backpressure to each attempt, because a large response must not be read', () => {
    const { below, unary, upstream } = guarded();
    upstream.available = false;
    const { handle } = unary(range);
    handle.pauseResponses();
    upstream.turnOn();
    expect(below.last.isPaused).toBe(true);
    below.last.end(gone('unsent'));
    expect([below.calls.length, below.last.isPaused]).toEqual([2, true]);
    handle.resumeResponses();
    expect(below.last.isPaused).toBe(false);
  });

  test('whose client does not read is refused in the end, and does not count for the breaker', () => {
    const { below, unary } = guarded();
    for (let i = 0; i < 2 * config.callsMin; i++) {
      const { above, handle } = unary(put, i % 2 === 0 ? 8_000 : Number.POSITIVE_INFINITY);
      handle.pauseResponses();
      vi.advanceTimersByTime(requestTimeoutMs + 100);
      expect(reasonOf(above)).toBe(i % 2 === 0 ? 'deadline-passed' : 'message-memory');
    }
    unary(put);
    expect(below.calls).toHaveLength(2 * config.callsMin + 1);
  });

  test('cancelled by its client is cancelled below, and ends without a status', () => {
    const { below, unary, deadlines } = guarded();
    const { above, handle } = unary(put);
    handle.cancel();
    expect(below.last.isCancelled).toBe(true);
    expect(above.status).toBeNull();
    expect(deadlines.count).toBe(0);
  });
});

describe('a retry', () => {
  test.each<[string, Status]>([
    ['the connection is lost', gone('lost')],
    ['etcd has no leader', noLeader],
  ])('of a read follows if %s', (_why, failure) => {
    const { below, unary, retried } = guarded();
    const { above } = unary(range);
    below.last.end(failure);
    expect(below.calls).toHaveLength(2);
    below.last.deliver('found');
    below.last.end();
    expect(above.texts).toEqual(['found']);
    expect(above.status?.code).toBe(Code.OK);
    expect(retried).toEqual(['Range']);
  });

  test('of a read happens once', () => {
    const { below, unary, retried } = guarded();
    const { above } = unary(range);
    below.last.end(noLeader);
    below.last.end(gone('lost'));
    expect(below.calls).toHaveLength(2);
    expect(above.status).toBe(noLeader);
    expect(retried).toEqual(['Range']);
  });

  test('that cannot be sent immediately is counted once', () => {
    const { below, unary, upstream, retried } = guarded();
    unary(range);
    upstream.available = false;
    below.last.end(gone('lost'));
    expect(below.calls).toHaveLength(1);
    upstream.turnOn();
    below.last.end(gone('unsent'));
    expect(below.calls).toHaveLength(3);
    expect(retried).toEqual(['Range']);
  });

  test.each<MethodName>([put, 'etcdserverpb.KV/Txn', 'etcdserverpb.Lease/LeaseGrant'])(
    'never follows for %s after it may have arrived',
    (name) => {
      const { below, unary } = guarded();
      const first = unary(name);
      below.last.end(gone('lost'));
      expect(first.above.status).toMatchObject({
        code: Code.UNAVAILABLE,
        text: 'etcd-bulkhead: no connection to etcd, or it was lost',
      });
      const second = unary(name);
      below.last.end(noLeader);
      expect(second.above.status).toBe(noLeader);
      expect(below.calls).toHaveLength(2);
    },
  );

  test('is not needed for a write that was never sent: it is sent to another endpoint', () => {
    const { below, unary, retried } = guarded();
    const { above } = unary(put);
    below.last.end(gone('unsent'));
    expect(below.calls).toHaveLength(2);
    below.last.end();
    expect(above.status?.code).toBe(Code.OK);
    expect(retried).toEqual([]);
  });

  test('stops if the upstream reports to be available and cannot send', () => {
    const { below, unary } = guarded();
    below.onCall = (attempt) => attempt.end(gone('unsent'));
    const { above } = unary(put);
    expect(below.calls).toHaveLength(3);
    expect(reasonOf(above)).toBe('upstream-lost');
  });

  test('does not follow after a response', () => {
    const { below, unary } = guarded();
    const { above } = unary(range);
    below.last.deliver('half of it');
    below.last.end(gone('lost'));
    expect(below.calls).toHaveLength(1);
    expect(reasonOf(above)).toBe('upstream-lost');
  });

  test('needs budget', () => {
    const { below, unary, budget } = guarded();
    for (let i = 0; i < 100; i++) budget.withdraw();
    const { above } = unary(range);
    below.last.end(noLeader);
    expect(below.calls).toHaveLength(1);
    expect(above.status).toBe(noLeader);
  });

  test('that the breaker rejects ends with the status of etcd', () => {
    const { below, unary, breakers, tenant, retried } = guarded();
    const breaker = breakers.of(tenant.state, 'read');
    for (let i = 1; i < config.callsMin; i++) breaker?.settle(breaker.admit(), 'failure');
    const { above } = unary(range);
    below.last.end(noLeader);
    expect(breaker?.state).toBe('open');
    expect(below.calls).toHaveLength(1);
    expect(above.status).toBe(noLeader);
    expect(retried).toEqual([]);
  });
});

describe('while no endpoint is available', () => {
  test('a call waits, and is sent as soon as one is', () => {
    const { below, unary, upstream, hold } = guarded();
    upstream.available = false;
    const { above } = unary(put);
    expect(below.calls).toEqual([]);
    expect(hold.heldCalls).toBe(1);
    vi.advanceTimersByTime(2_000);
    upstream.turnOn();
    expect(hold.heldCalls).toBe(0);
    below.last.end();
    expect(above.status?.code).toBe(Code.OK);
  });

  test('a call waits no longer than the hold, and then ends with Unavailable', () => {
    const { below, unary, upstream, hold, deadlines } = guarded();
    upstream.available = false;
    const { above } = unary(put);
    vi.advanceTimersByTime(holdMs - 100);
    expect(above.status).toBeNull();
    vi.advanceTimersByTime(200);
    expect(reasonOf(above)).toBe('upstream-lost');
    expect([below.calls.length, hold.heldCalls, hold.heldBytes, deadlines.count]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  test('a call waits only a second for a stream to end, and then ends with ResourceExhausted', () => {
    const { unary, stream, upstream, hold, tenant, breakers } = guarded();
    upstream.available = false;
    upstream.full = true;
    const calls = [unary(put), stream('etcdserverpb.Watch/Watch')];
    vi.advanceTimersByTime(1_200);
    for (const { above } of calls) {
      expect(above.status).toMatchObject({ text: 'etcdserver: too many requests' });
      expect(reasonOf(above)).toBe('stream-limit');
    }
    expect(hold.heldCalls).toBe(0);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
  });

  test('a call waits no longer than its own deadline', () => {
    const { unary, upstream } = guarded();
    upstream.available = false;
    const { above } = unary(put, 400);
    vi.advanceTimersByTime(500);
    expect(above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
  });

  test('the hold limits the total waiting time of a call', () => {
    const { below, unary, upstream } = guarded();
    upstream.available = false;
    const { above } = unary(put);
    vi.advanceTimersByTime(3_000);
    below.onCall = (attempt) => {
      upstream.available = false;
      attempt.end(gone('unsent'));
    };
    upstream.turnOn();
    expect(above.status).toBeNull();
    vi.advanceTimersByTime(2_100);
    expect(reasonOf(above)).toBe('upstream-lost');
  });

  test('a cancelled call is not sent later', () => {
    const { below, unary, upstream, hold } = guarded();
    upstream.available = false;
    unary(put).handle.cancel();
    expect(hold.heldBytes).toBe(0);
    upstream.turnOn();
    expect(below.calls).toEqual([]);
  });

  test('calls beyond the bounds are rejected immediately, and open no breaker', () => {
    const { unary, upstream, breakers, tenant } = guarded({ heldCallsMax: 2, heldBytesMax: 1_000 });
    upstream.available = false;
    unary(put);
    unary(put);
    for (let i = 0; i < 50; i++) expect(reasonOf(unary(put).above)).toBe('upstream-lost');
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
  });

  test('the order of arrival is kept', () => {
    const { below, unary, upstream } = guarded();
    upstream.available = false;
    const calls = Array.from({ length: 5 }, () => unary(put).call);
    upstream.turnOn();
    expect(below.calls.map((attempt) => attempt.call)).toEqual(calls);
  });
});

describe('an open breaker', () => {
  test('rejects immediately and reports when to retry', () => {
    const { below, unary, openBreaker } = guarded();
    openBreaker(put);
    const sent = below.calls.length;
    const { above } = unary(put);
    expect(below.calls).toHaveLength(sent);
    expect(above.status).toMatchObject({
      code: Code.UNAVAILABLE,
      text: 'etcd-bulkhead: the circuit breaker is open',
    });
    expect(reasonOf(above)).toBe('breaker-open');
    const pushback = metadataValue(above.status?.trailers ?? [], 'grpc-retry-pushback-ms');
    expect(Number(pushback)).toBe(config.openMs);
  });

  test('of writes does not affect reads, leases and watches', () => {
    const { unary, stream, openBreaker, below } = guarded();
    openBreaker(put);
    const sent = below.calls.length;
    unary(range);
    unary('etcdserverpb.Lease/LeaseGrant');
    stream(watch);
    expect(below.calls).toHaveLength(sent + 3);
  });

  test('of leases does not stop keepalives', () => {
    const { stream, openBreaker, below, unary } = guarded();
    openBreaker('etcdserverpb.Lease/LeaseGrant');
    expect(reasonOf(unary('etcdserverpb.Lease/LeaseTimeToLive').above)).toBe('breaker-open');
    const { above, requests } = stream(keepAlive);
    requests.send(Buffer.from('keep'));
    below.last.deliver('kept');
    expect(above.texts).toEqual(['kept']);
  });

  test('is not opened by clients that cancel or have short deadlines', () => {
    const { unary, breakers, tenant } = guarded();
    for (let i = 0; i < 50; i++) unary(put).handle.cancel();
    for (let i = 0; i < 50; i++) unary(put, 100);
    vi.advanceTimersByTime(200);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
  });

  test('is opened by timeouts of the proxy', () => {
    const { unary, breakers, tenant } = guarded();
    for (let i = 0; i < config.callsMin; i++) unary(put);
    vi.advanceTimersByTime(requestTimeoutMs + 100);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('open');
  });

  test('closes again when its one probe succeeds', async () => {
    const { unary, openBreaker, below, breakers, tenant } = guarded();
    openBreaker(put);
    await vi.advanceTimersByTimeAsync(config.openMs);
    const probe = unary(put);
    expect(reasonOf(unary(put).above)).toBe('breaker-open');
    below.last.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(probe.above.status?.code).toBe(Code.OK);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
  });

  test('stays open when its client cancels the probe', async () => {
    const { unary, openBreaker, breakers, tenant } = guarded();
    openBreaker(put);
    await vi.advanceTimersByTimeAsync(config.openMs);
    unary(put).handle.cancel();
    await vi.advanceTimersByTimeAsync(0);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('open');
    await vi.advanceTimersByTimeAsync(config.openMs);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('half-open');
  });
});

describe('a stream', () => {
  test('passes in both directions, with backpressure, and has no time limit', () => {
    const { below, stream } = guarded();
    const { above, requests } = stream(watch);
    requests.send(Buffer.from('create'));
    const attempt = below.last;
    attempt.deliver('created');
    vi.advanceTimersByTime(24 * 3600 * 1000);
    attempt.deliver('event');
    requests.pauseResponses();
    expect(attempt.isPaused).toBe(true);
    requests.resumeResponses();
    expect(attempt.isPaused).toBe(false);
    attempt.pauseRequests();
    expect(above.isPaused).toBe(true);
    attempt.resumeRequests();
    expect(above.isPaused).toBe(false);
    requests.halfClose();
    expect(attempt.isHalfClosed).toBe(true);
    attempt.end();
    expect(above.texts).toEqual(['created', 'event']);
    expect(above.status?.code).toBe(Code.OK);
  });

  test('counts as a success with its first response, and does not count afterwards', async () => {
    const { below, stream, breakers, tenant } = guarded();
    for (let i = 0; i < 50; i++) {
      const { above } = stream(watch);
      below.last.deliver('created');
      below.last.end(gone('lost'));
      expect(reasonOf(above)).toBe('upstream-lost');
    }
    await vi.advanceTimersByTimeAsync(0);
    expect(breakers.of(tenant.state, 'watch')?.state).toBe('closed');
  });

  test('that fails before its first response counts as a failure', () => {
    const { below, stream, breakers, tenant } = guarded();
    for (let i = 0; i < config.callsMin; i++) {
      stream(watch);
      below.last.end(noLeader);
    }
    expect(breakers.of(tenant.state, 'watch')?.state).toBe('open');
    expect(reasonOf(stream(watch).above)).toBe('breaker-open');
  });

  test('waits with its requests while no endpoint is available', () => {
    const { below, stream, upstream, hold } = guarded();
    upstream.available = false;
    const { above, requests } = stream(watch);
    requests.send(Buffer.from('one'));
    requests.send(Buffer.from('two'));
    requests.pauseResponses();
    requests.halfClose();
    expect([hold.heldCalls, hold.heldBytes]).toEqual([1, 6]);
    upstream.turnOn();
    expect([hold.heldCalls, hold.heldBytes]).toEqual([0, 0]);
    expect(below.last.requests.map(String)).toEqual(['one', 'two']);
    expect([below.last.isHalfClosed, below.last.isPaused]).toEqual([true, true]);
    below.last.deliver('created');
    expect(above.texts).toEqual(['created']);
  });

  test('that was never sent is sent to another endpoint with all its requests', () => {
    const { below, stream } = guarded();
    const { requests } = stream(watch);
    requests.send(Buffer.from('one'));
    requests.send(Buffer.from('two'));
    below.last.end(gone('unsent'));
    expect(below.calls).toHaveLength(2);
    expect(below.last.requests).toHaveLength(2);
    requests.send(Buffer.from('three'));
    expect(below.last.requests).toHaveLength(3);
  });

  test('pauses its client while it waits with a full buffer, and is rejected beyond the bound', () => {
    const { below, stream, upstream } = guarded({ heldCallsMax: 10, heldBytesMax: 600 << 10 });
    upstream.available = false;
    const first = stream(watch);
    first.requests.send(Buffer.alloc(200 << 10));
    expect(first.above.isPaused).toBe(false);
    first.requests.send(Buffer.alloc(200 << 10));
    expect(first.above.isPaused).toBe(true);
    const second = stream(watch);
    second.requests.send(Buffer.alloc(300 << 10));
    expect(reasonOf(second.above)).toBe('upstream-lost');
    upstream.turnOn();
    expect(first.above.isPaused).toBe(false);
    expect(below.calls).toHaveLength(1);
    expect(below.last.requests).toHaveLength(2);
  });

  test('does not buffer after its first response, or beyond the limit', () => {
    const { below, stream } = guarded();
    const { above, requests } = stream(watch);
    for (let i = 0; i < 10; i++) requests.send(Buffer.alloc(100 << 10));
    expect(above.isPaused).toBe(false);
    expect(below.last.requests).toHaveLength(10);
    below.last.end(gone('unsent'));
    expect(below.calls).toHaveLength(1);
    expect(reasonOf(above)).toBe('upstream-lost');
  });

  test('cancelled while it waits is never sent', () => {
    const { below, stream, upstream } = guarded();
    upstream.available = false;
    const { requests } = stream(watch);
    requests.cancel();
    upstream.turnOn();
    expect(below.calls).toEqual([]);
  });

  test('with a response while it is being started sends all its requests', () => {
    const { below, stream, upstream } = guarded();
    upstream.available = false;
    const { above, requests } = stream(watch);
    requests.send(Buffer.from('create'));
    below.onCall = (attempt) => attempt.deliver('early');
    upstream.turnOn();
    expect(below.last.requests).toHaveLength(1);
    expect(above.texts).toEqual(['early']);
  });

  test.each([true, false])(
    'may be cancelled while it is being started (with an end: %s)',
    (isEnded) => {
      const { below, stream, upstream, deadlines } = guarded();
      upstream.available = false;
      const { above, requests } = stream(watch);
      below.onCall = (attempt) => {
        requests.cancel();
        if (isEnded) attempt.end();
      };
      upstream.turnOn();
      expect(below.last.isCancelled).toBe(!isEnded);
      expect(above.status).toBeNull();
      expect(deadlines.count).toBe(0);
    },
  );

  test('ends at the deadline of its client', () => {
    const { below, stream } = guarded();
    const { above } = stream(watch, 1_000);
    below.last.deliver('created');
    vi.advanceTimersByTime(1_100);
    expect(above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(below.last.isCancelled).toBe(true);
  });
});

describe('a fault above the guard', () => {
  test.each(['message', 'end', 'deadline', 'release'])(
    'on the way of a %s goes to the rescue of that call alone',
    (way) => {
      const { below, unary, upstream } = guarded();
      upstream.available = way !== 'release';
      const faults: unknown[] = [];
      const { above, call } = unary(put, 1_000);
      call.faultHandler = { onFault: (error) => void faults.push(error) };
      const bug = new Error('a bug');
      above.deliver = above.end = () => {
        throw bug;
      };
      if (way === 'message') below.last.deliver('x');
      if (way === 'end') below.last.end();
      if (way === 'deadline') vi.advanceTimersByTime(1_100);
      if (way === 'release') {
        below.onCall = (attempt: EtcdCall<'store'>) => attempt.end();
        upstream.turnOn();
      }
      expect(faults).toEqual([bug]);
    },
  );
});

describe('a call that waits for other clients', () => {
  const lock = 'v3lockpb.Lock/Lock';

  test('has no time limit of the proxy', () => {
    const { below, unary } = guarded();
    const { above } = unary(lock);
    vi.advanceTimersByTime(24 * 3600_000);
    expect(above.status).toBeNull();
    below.last.deliver('locked');
    below.last.end();
    expect(above).toMatchObject({ texts: ['locked'], status: { code: Code.OK } });
  });

  test('ends at the deadline of its client, which does not count for the breaker', async () => {
    const { below, unary, breakers, tenant } = guarded();
    for (let i = 0; i < 2 * config.callsMin; i++) {
      const { above } = unary(lock, 60_000);
      await vi.advanceTimersByTimeAsync(61_000);
      expect(above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
      expect(below.last.isCancelled).toBe(true);
    }
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
    expect(breakers.liveCount).toBe(0);
  });

  test('is cancelled upstream when its client cancels', () => {
    const { below, unary } = guarded();
    unary(lock).handle.cancel();
    expect(below.last.isCancelled).toBe(true);
  });

  test('is rejected by an open breaker, and is never its probe', async () => {
    const { below, unary, breakers, tenant, openBreaker } = guarded();
    openBreaker(put);
    expect(reasonOf(unary(lock).above)).toBe('breaker-open');
    await vi.advanceTimersByTimeAsync(2 * config.openMs);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('half-open');
    const waiting = unary(lock);
    waiting.handle.cancel();
    expect(breakers.of(tenant.state, 'write')?.state).toBe('half-open');
    unary(put);
    below.last.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
  });

  test('closes a half-open breaker when it succeeds', async () => {
    const { below, unary, breakers, tenant, openBreaker } = guarded();
    openBreaker(put);
    await vi.advanceTimersByTimeAsync(2 * config.openMs);
    unary(lock);
    below.last.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
  });
});

describe('with as many calls in flight as are permitted', () => {
  const setUp = () => guarded(undefined, 1);

  test('a call waits for its turn, and is sent when another one ends', () => {
    const { below, unary, queue } = setUp();
    const first = unary(put);
    const second = unary(put);
    expect([below.calls.length, queue.queuedCalls]).toEqual([1, 1]);
    below.last.end(status(Code.OK, '', 'peer'));
    expect(first.above.status?.code).toBe(Code.OK);
    expect([below.calls.length, queue.queuedCalls]).toEqual([2, 0]);
    below.last.end(status(Code.OK, '', 'peer'));
    expect(second.above.status?.code).toBe(Code.OK);
    expect(queue.weight).toBe(0);
  });

  test('a call that ends otherwise gives its place away, too', () => {
    const { below, unary, queue } = setUp();
    unary(put).handle.cancel();
    expect(queue.weight).toBe(0);
    unary(put, 100);
    vi.advanceTimersByTime(200);
    expect(queue.weight).toBe(0);
    unary('etcdserverpb.KV/Range');
    below.last.end(gone('lost'));
    below.last.end(gone('lost'));
    expect(queue.weight).toBe(0);
  });

  test('a waiting call ends with its deadline, by cancel, or after five seconds', () => {
    const { below, unary, queue, deadlines } = setUp();
    unary(put);
    const impatient = unary(put, 1_000);
    const cancelled = unary(put);
    const patient = unary(put);
    cancelled.handle.cancel();
    vi.advanceTimersByTime(1_100);
    expect(impatient.above.status?.code).toBe(Code.DEADLINE_EXCEEDED);
    vi.advanceTimersByTime(4_100);
    expect(reasonOf(patient.above)).toBe('in-flight-limit');
    expect([below.calls.length, queue.queuedCalls, deadlines.count]).toEqual([1, 0, 1]);
  });

  test('streams, and calls that wait for other clients, are sent at once', () => {
    const { below, unary, stream, queue } = setUp();
    unary(put);
    unary('v3lockpb.Lock/Lock');
    stream('etcdserverpb.Watch/Watch');
    expect(below.calls).toHaveLength(3);
    expect([queue.weight, queue.queuedCalls]).toEqual([1, 0]);
  });

  test('a call whose endpoint is lost meanwhile waits in the hold and gives its place away', () => {
    const { unary, upstream, queue, hold, below } = setUp();
    unary(put);
    upstream.available = false;
    below.last.end(gone('unsent'));
    expect([queue.weight, hold.heldCalls]).toEqual([0, 1]);
    upstream.available = true;
    upstream.turnOn();
    expect([queue.weight, hold.heldCalls]).toEqual([1, 0]);
  });
});

describe('reads whose responses are large', () => {
  const range = 'etcdserverpb.KV/Range';
  /** All keys from `name` on. */
  const rangeOf = (name: string) =>
    Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name), Buffer.from([0x12, 1, 0])]);
  const mib = 1 << 20;

  /** One large response has arrived, so further reads of `large` weigh 0.6 of the bound. */
  function setUp() {
    const all = guarded();
    const { below, unary } = all;
    const read = (name: string, timeoutMs?: number) => unary(range, timeoutMs, rangeOf(name));
    const respond = (index: number, bytes: number) => {
      below.calls[index]?.deliver(Buffer.alloc(bytes));
      below.calls[index]?.end(status(Code.OK, '', 'peer'));
    };
    read('large');
    respond(0, 0.6 * mib);
    return { ...all, read, respond };
  }

  test('wait for one another, in order', () => {
    const { below, reads, read, respond } = setUp();
    const both = [read('large'), read('large')];
    expect([below.calls.length, reads.queuedCalls]).toEqual([2, 1]);
    respond(1, 0.6 * mib);
    expect([below.calls.length, reads.queuedCalls]).toEqual([3, 0]);
    respond(2, 0.6 * mib);
    expect(both.map(({ above }) => above.status?.code)).toEqual([Code.OK, Code.OK]);
    expect(reads.weight).toBe(0);
  });

  test('do not hold up puts, single keys and small ranges', () => {
    const { below, unary, read, respond } = setUp();
    read('small');
    respond(1, 10);
    read('large');
    read('large');
    const before = below.calls.length;
    unary(put);
    unary(range);
    read('small');
    expect(below.calls.length - before).toBe(3);
  });

  test('are rejected after the request timeout', () => {
    const { reads, read } = setUp();
    const sent = read('large', 2 * requestTimeoutMs);
    const waiting = read('large');
    vi.advanceTimersByTime(requestTimeoutMs + 200);
    expect(waiting.above.status?.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(reasonOf(waiting.above)).toBe('read-limit');
    expect(reads.queuedCalls).toBe(0);
    sent.handle.cancel();
    expect(reads.weight).toBe(0);
  });

  test('have the whole request timeout once they are sent', () => {
    const { below, read, respond } = setUp();
    read('large', 2 * requestTimeoutMs);
    const waiting = read('large');
    vi.advanceTimersByTime(requestTimeoutMs - 200);
    respond(1, 0.6 * mib);
    expect(below.calls).toHaveLength(3);
    vi.advanceTimersByTime(requestTimeoutMs - 200);
    expect(waiting.above.status).toBeNull();
    vi.advanceTimersByTime(400);
    expect(reasonOf(waiting.above)).toBe('upstream-timeout');
  });

  test('give their share away when they are cancelled, waiting or sent', () => {
    const { below, reads, read } = setUp();
    const sent = read('large');
    const waiting = read('large');
    const last = read('large');
    waiting.handle.cancel();
    expect([below.calls.length, reads.queuedCalls]).toEqual([2, 1]);
    sent.handle.cancel();
    expect([below.calls.length, reads.queuedCalls]).toEqual([3, 0]);
    last.handle.cancel();
    expect(reads.weight).toBe(0);
  });

  test('weigh what has become known while they waited', () => {
    const { below, reads, read, respond } = setUp();
    // As much as the largest response so far.
    for (const name of ['a', 'a', 'a']) read(name);
    expect([below.calls.length, reads.queuedCalls]).toEqual([2, 2]);
    respond(1, 100);
    expect([below.calls.length, reads.queuedCalls]).toEqual([4, 0]);
  });

  test('of a tenant are sent one at a time until the first range has ended', () => {
    const { below, unary, reads } = guarded();
    for (const name of ['a', 'b', 'c']) unary(range, undefined, rangeOf(name));
    unary(range);
    expect([below.calls.length, reads.queuedCalls]).toEqual([2, 2]);
    below.calls[0]?.deliver(Buffer.alloc(100));
    below.calls[0]?.end(status(Code.OK, '', 'peer'));
    expect([below.calls.length, reads.queuedCalls]).toEqual([4, 0]);
  });

  test('do not take a place of the calls in flight while they wait', () => {
    const { queue, read } = setUp();
    read('large');
    read('large');
    expect(queue.weight).toBe(1);
  });
});
