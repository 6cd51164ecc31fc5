import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BreakerConfig } from '../../../../src/config/sections/breaker.ts';
import type { BreakerVerdict as Verdict } from '../../../../src/etcd/outcomes.ts';
import { type Breaker, type BreakerState, refused } from '../../../../src/guard/breaker/breaker.ts';
import { Breakers } from '../../../../src/guard/breaker/breakers.ts';
import { systemClock } from '../../../../src/runtime/clock.ts';
import { Deadlines } from '../../../../src/runtime/deadlines.ts';
import type { Tenant } from '../../../../src/tenant/tenant.ts';
import { testTenant } from '../../../support/test-call.ts';

const config: BreakerConfig = {
  enabled: true,
  windowMs: 10_000,
  callsMin: 20,
  errorPercent: 50,
  openMs: 1_500,
  openMaxMs: 10_000,
};
/** Without jitter: open times are exact. */
const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };
let tenant: Tenant;

let states: BreakerState[];
let deadlines: Deadlines;
let breakers: Breakers;
let breaker: Breaker;

beforeEach(() => {
  vi.useFakeTimers();
  tenant = testTenant();
  states = [];
  deadlines = new Deadlines(systemClock);
  const onState = (_tenant: string, _class: string, state: BreakerState) => void states.push(state);
  breakers = new Breakers({ config, clock: systemClock, random, deadlines, onState });
  breaker = breakerOf();
});

afterEach(() => {
  breakers.close();
  vi.advanceTimersByTime(100);
  expect(vi.getTimerCount(), 'timers left').toBe(0);
  vi.useRealTimers();
});

function breakerOf(): Breaker {
  const found = breakers.of(tenant.state, 'read');
  if (found === null) throw new Error('no breaker');
  return found;
}

/** A complete call. */
function call(verdict: Verdict, times = 1): void {
  for (let i = 0; i < times; i++) {
    const ticket = breaker.admit();
    expect(ticket).not.toBe(refused);
    breaker.settle(ticket, verdict);
  }
}

function open(): void {
  call('failure', config.callsMin);
  expect(breaker.state).toBe('open');
}

async function halfOpen(): Promise<void> {
  open();
  await vi.advanceTimersByTimeAsync(config.openMs);
  expect(breaker.state).toBe('half-open');
}

describe('a closed breaker', () => {
  test('does not open below the minimum number of calls', () => {
    call('failure', config.callsMin - 1);
    expect(breaker.state).toBe('closed');
    call('failure');
    expect(breaker.state).toBe('open');
  });

  test('opens only when more than half of the calls in the window failed', async () => {
    call('success', 20);
    call('failure', 20);
    expect(breaker.state).toBe('closed');
    call('failure');
    expect(breaker.state).toBe('open');
  });

  test('ignores outcomes that are older than its window', async () => {
    call('failure', 19);
    await vi.advanceTimersByTimeAsync(config.windowMs + 1_000);
    call('failure', 19);
    expect(breaker.state).toBe('closed');
  });

  test('is not diluted by calls in flight', () => {
    const underWay = Array.from({ length: 1_000 }, () => breaker.admit());
    call('failure', config.callsMin);
    expect(breaker.state).toBe('open');
    expect(new Set(underWay).has(refused)).toBe(false);
  });

  test.each<Verdict>(['neutral', 'overload'])(
    'never opens because of calls that are %s',
    (verdict) => {
      call(verdict, 1_000);
      expect(breaker.state).toBe('closed');
      expect(breakers.liveCount).toBe(0);
    },
  );

  test.each([50, 30, 70])(
    'never opens because of leader changes alone, at %i percent',
    async (percent) => {
      const parts = { clock: systemClock, random, deadlines, onState: null };
      const others = new Breakers({ ...parts, config: { ...config, errorPercent: percent } });
      breaker = others.of(tenant.state, 'read') ?? breaker;
      for (let i = 0; i < 500; i++) {
        call('half-failure');
        await vi.advanceTimersByTimeAsync(37);
        expect(breaker.state).toBe('closed');
      }
      others.close();
    },
  );

  test('counts a leader change as half a failure beside real failures', () => {
    call('failure', 15);
    call('half-failure', 5);
    expect(breaker.state).toBe('closed');
    call('half-failure');
    expect(breaker.state).toBe('open');
  });

  test('does not limit calls in flight', () => {
    for (let i = 0; i < 10_000; i++) expect(breaker.admit()).not.toBe(refused);
    expect(breaker.state).toBe('closed');
  });
});

describe('an open breaker', () => {
  test('rejects immediately and reports for how long', () => {
    open();
    expect(breaker.admit()).toBe(refused);
    expect(breaker.retryAfterMs).toBe(config.openMs);
    vi.advanceTimersByTime(1_000);
    expect(breaker.admit()).toBe(refused);
    expect(breaker.retryAfterMs).toBe(config.openMs - 1_000);
  });

  test('ignores calls that began before it opened', async () => {
    const early = Array.from({ length: 3 }, () => breaker.admit());
    await halfOpen();
    for (const ticket of early) breaker.settle(ticket, 'success');
    expect(breaker.state).toBe('half-open');
    for (const ticket of early) breaker.settle(ticket, 'failure');
    expect(breaker.state).toBe('half-open');
  });

  test('varies its open time, so that processes do not probe at the same moment', () => {
    const times = [0, 0.25, 0.5, 0.75].map((share) => {
      const integer = (min: number, max: number) => min + Math.floor(share * (max - min));
      const parts = { config, clock: systemClock, deadlines, onState: null };
      const others = new Breakers({ ...parts, random: { integer } });
      breaker = others.of(tenant.state, 'read') ?? breaker;
      open();
      const { retryAfterMs } = breaker;
      others.close();
      return retryAfterMs;
    });
    expect(new Set(times).size).toBe(4);
    for (const ms of times) {
      expect(ms).toBeGreaterThanOrEqual(1_000);
      expect(ms).toBeLessThanOrEqual(2_000);
    }
  });
});

describe('a half-open breaker', () => {
  test('admits one probe and rejects all others', async () => {
    await halfOpen();
    expect(breaker.admit()).not.toBe(refused);
    expect(breaker.admit()).toBe(refused);
  });

  test('closes when its probe succeeds, and one failure does not open it again', async () => {
    await halfOpen();
    call('success');
    expect(breaker.state).toBe('closed');
    call('failure');
    expect(breaker.state).toBe('closed');
    expect(states).toEqual(['open', 'half-open', 'closed']);
  });

  test('doubles its open time with each probe that fails, up to a bound', async () => {
    await halfOpen();
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      call('failure');
      times.push(breaker.retryAfterMs);
      await vi.advanceTimersByTimeAsync(breaker.retryAfterMs);
      expect(breaker.state).toBe('half-open');
    }
    expect(times).toEqual([3_000, 6_000, 10_000, 10_000]);
  });

  test('starts again with the first open time after a healthy period, not earlier', async () => {
    await halfOpen();
    call('success');
    open();
    expect(breaker.retryAfterMs).toBe(2 * config.openMs);
    await vi.advanceTimersByTimeAsync(2 * config.openMs);
    call('success');
    await vi.advanceTimersByTimeAsync(60_000);
    open();
    expect(breaker.retryAfterMs).toBe(config.openMs);
  });

  test.each<Verdict>(['neutral', 'overload', 'half-failure'])(
    'neither closes nor waits longer when its probe is %s',
    async (verdict) => {
      await halfOpen();
      call(verdict);
      expect(breaker.state).toBe('open');
      expect(breaker.retryAfterMs).toBe(config.openMs);
      await vi.advanceTimersByTimeAsync(config.openMs);
      expect(breaker.state).toBe('half-open');
      call('success');
      expect(breaker.state).toBe('closed');
    },
  );

  test('opens again if its probe exceeds the time limit', async () => {
    await halfOpen();
    const probe = breaker.admit();
    await vi.advanceTimersByTimeAsync(7_000);
    expect(breaker.state).toBe('half-open');
    await vi.advanceTimersByTimeAsync(1_100);
    expect(breaker.state).toBe('open');
    breaker.settle(probe, 'success');
    expect(breaker.state).toBe('open');
  });

  test.each<Verdict>(['neutral', 'overload', 'half-failure'])(
    'ignores a waiting call that ends with %s',
    async (verdict) => {
      await halfOpen();
      for (let i = 0; i < 4; i++) breaker.settle(breaker.admitWaiting(), verdict);
      expect(breaker.state).toBe('half-open');
      call('success');
      expect(breaker.state).toBe('closed');
    },
  );

  test.each<[Verdict, BreakerState]>([
    ['success', 'closed'],
    ['failure', 'open'],
  ])('counts a waiting call that ends with %s, also beside its probe', async (verdict, state) => {
    await halfOpen();
    const waiting = breaker.admitWaiting();
    const probe = breaker.admit();
    breaker.settle(waiting, verdict);
    expect(breaker.state).toBe(state);
    breaker.settle(probe, 'failure');
    expect(breaker.state).toBe(state);
    expect(deadlines.count).toBe(0);
  });
});

describe('many breakers', () => {
  test('each tenant and class has its own', () => {
    const other = breakers.of(testTenant('game-2').state, 'read');
    open();
    expect(other?.state).toBe('closed');
    expect(breakers.of(tenant.state, 'write')?.state).toBe('closed');
    expect(breakers.of(tenant.state, 'read')).toBe(breaker);
  });

  test('share one timer, and an idle one has no window', async () => {
    const tenants = Array.from({ length: 2_000 }, (_, i) => testTenant(`t-${i}`));
    for (const one of tenants) {
      const found = breakers.of(one.state, 'write');
      found?.settle(found.admit(), 'success');
    }
    expect(breakers.liveCount).toBe(2_000);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(config.windowMs + 1_000);
    expect(breakers.liveCount).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('an open one stays live when it is idle', async () => {
    open();
    await vi.advanceTimersByTimeAsync(10 * config.windowMs);
    expect(breaker.state).toBe('half-open');
    expect(breakers.liveCount).toBe(1);
  });

  test('are not created if they are disabled', () => {
    const parts = { clock: systemClock, random, deadlines, onState: null };
    const off = new Breakers({ ...parts, config: { ...config, enabled: false } });
    expect(off.of(tenant.state, 'read')).toBeNull();
  });

  test('of a removed tenant admit every call and are never live again', async () => {
    await halfOpen();
    expect(breaker.admit()).not.toBe(refused);
    expect(breaker.admit()).toBe(refused);
    const seen = [...states];
    breakers.retire(tenant.state);
    expect(breakers.liveCount).toBe(0);
    expect(breakerOf()).toBe(breaker);
    call('failure', 100);
    expect(breakers.of(tenant.state, 'write')).toBeNull();
    expect(states).toEqual(seen);
    expect(breakers.liveCount).toBe(0);
  });

  test('ignore verdicts after they were closed', () => {
    const ticket = breaker.admit();
    open();
    breakers.close();
    breaker.settle(ticket, 'failure');
    call('failure', 100);
    expect(breakers.liveCount).toBe(0);
  });
});

describe('a breaker that an operator has forced', () => {
  const isAdmitted = () =>
    [breaker.admit(), breaker.admitWaiting()].map((each) => each !== refused);

  test('open: rejects every call until it is automatic again, and is closed then', () => {
    breaker.force('open');
    expect([breaker.state, breaker.isForced, isAdmitted()]).toEqual(['open', true, [false, false]]);
    expect(breaker.retryAfterMs).toBe(config.openMs);
    vi.advanceTimersByTime(3_600_000);
    expect(isAdmitted()).toEqual([false, false]);
    breaker.force(null);
    expect([breaker.state, breaker.isForced, isAdmitted()]).toEqual([
      'closed',
      false,
      [true, true],
    ]);
    expect(states).toEqual(['open', 'closed']);
  });

  test('closed: admits every call however many fail, and counts none of them', () => {
    breaker.force('closed');
    for (let i = 0; i < 100; i++) breaker.settle(breaker.admit(), 'failure');
    expect([breaker.state, isAdmitted()]).toEqual(['closed', [true, true]]);
    breaker.force(null);
    for (let i = 0; i < 15; i++) breaker.settle(breaker.admit(), 'failure');
    expect(breaker.state).toBe('closed');
  });

  test('ignores verdicts of calls that were sent before', () => {
    const tickets = Array.from({ length: 30 }, () => breaker.admit());
    breaker.force('closed');
    breaker.force(null);
    for (const ticket of tickets) breaker.settle(ticket, 'failure');
    expect(breaker.state).toBe('closed');
  });

  test('is listed with its tenant and class, as is one that is open', () => {
    expect(breakers.noted).toEqual([]);
    breaker.force('closed');
    expect(breakers.noted).toMatchObject([{ tenant: 'game-1', state: 'closed', isForced: true }]);
    breaker.force(null);
    expect(breakers.noted).toEqual([]);
    for (let i = 0; i < 30; i++) breaker.settle(breaker.admit(), 'failure');
    expect(breakers.noted).toMatchObject([{ tenant: 'game-1', state: 'open', isForced: false }]);
    breakers.retire(tenant.state);
    expect(breakers.noted).toEqual([]);
  });
});
