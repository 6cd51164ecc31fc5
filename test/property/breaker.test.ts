import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { BreakerVerdict as Verdict } from '../../src/etcd/outcomes.ts';
import { type BreakerState, refused, type Ticket } from '../../src/guard/breaker/breaker.ts';
import { Breakers } from '../../src/guard/breaker/breakers.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Deadlines } from '../../src/runtime/deadlines.ts';
import { Seeded, seed } from '../support/seeded.ts';
import { testTenant } from '../support/test-call.ts';

const config = {
  enabled: true,
  windowMs: 1_000,
  callsMin: 3,
  errorPercent: 50,
  openMs: 500,
  openMaxMs: 4_000,
};
/** The time limit of a probe and one step of the timer wheel. */
const probeLimitMs = 8_100;

type Step =
  | { readonly do: 'begin' }
  | { readonly do: 'end'; readonly which: number; readonly verdict: Verdict }
  | { readonly do: 'wait'; readonly ms: number };

const verdicts: readonly Verdict[] = ['success', 'failure', 'half-failure', 'overload', 'neutral'];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'begin' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(50),
      verdict: fc.oneof(fc.constantFrom(...verdicts), fc.constant<Verdict>('failure')),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.integer({ min: 1, max: 3_000 }),
    }),
  },
);

const legal = new Set(['closed→open', 'open→half-open', 'half-open→open', 'half-open→closed']);

/** One breaker that is driven step by step, and the invariants after each step. */
function world() {
  const deadlines = new Deadlines(systemClock);
  const seeded = new Seeded(seed);
  const random = { integer: (min: number, max: number) => min + seeded.below(max - min) };
  let known: BreakerState = 'closed';
  const onState = (_tenant: string, _class: string, state: BreakerState) => {
    expect(legal, `${known}→${state}`).toContain(`${known}→${state}`);
    known = state;
  };
  const breakers = new Breakers({ config, clock: systemClock, random, deadlines, onState });
  const found = breakers.of(testTenant().state, 'write');
  if (found === null) throw new Error('no breaker');
  const breaker = found;
  const underWay: { ticket: Ticket; beganIn: BreakerState }[] = [];

  const run = async (step: Step) => {
    const before = breaker.state;
    switch (step.do) {
      case 'begin': {
        const ticket = breaker.admit();
        if (before === 'closed') expect(ticket, 'closed admits').not.toBe(refused);
        if (before === 'open') expect(ticket, 'open rejects immediately').toBe(refused);
        if (ticket !== refused) underWay.push({ ticket, beganIn: before });
        break;
      }
      case 'end': {
        const [call] = underWay.splice(step.which % Math.max(1, underWay.length), 1);
        if (call === undefined) break;
        breaker.settle(call.ticket, step.verdict);
        await vi.advanceTimersByTimeAsync(0);
        const after = breaker.state;
        if (step.verdict === 'neutral') {
          expect(after, 'a cancel never closes').not.toBe(before === 'closed' ? '' : 'closed');
          if (before === 'closed') expect(after, 'a cancel never opens').toBe('closed');
        }
        if (call.beganIn === 'closed' && before !== 'closed') {
          expect(after, 'verdicts of an earlier period are ignored').toBe(before);
        }
        break;
      }
      case 'wait':
        await vi.advanceTimersByTimeAsync(step.ms);
        break;
    }
    expect(breaker.state).toBe(known);
    // A timer ends the open state. Half-open, a timer limits the probe, or the next call is the probe.
    if (breaker.state === 'open') expect(vi.getTimerCount()).toBeGreaterThan(0);
    if (breaker.state === 'half-open') {
      const isProbing = deadlines.count === 1;
      if (isProbing) expect(vi.getTimerCount()).toBeGreaterThan(0);
    } else {
      expect(deadlines.count, 'a probe outlived its state').toBe(0);
    }
  };

  /** From any state it closes within a bounded time if calls succeed. */
  const recovers = async () => {
    await vi.advanceTimersByTimeAsync(probeLimitMs + config.openMaxMs);
    const ticket = breaker.admit();
    expect(ticket, 'never stuck').not.toBe(refused);
    breaker.settle(ticket, 'success');
    await vi.advanceTimersByTimeAsync(0);
    expect(breaker.state).toBe('closed');
    breakers.close();
    await vi.advanceTimersByTimeAsync(100);
    expect(vi.getTimerCount(), 'timers left').toBe(0);
  };
  return { run, recovers };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('for any sequence of calls a breaker makes only legal transitions and recovers', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
      const { run, recovers } = world();
      for (const one of steps) await run(one);
      await recovers();
    }),
    { seed, numRuns: 200 },
  );
});
