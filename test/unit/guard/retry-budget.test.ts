import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RetryBudget } from '../../../src/guard/retry-budget.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** How many second attempts are allowed now. */
function drain(budget: RetryBudget): number {
  let allowed = 0;
  while (budget.withdraw()) allowed += 1;
  return allowed;
}

describe('the retry budget', () => {
  test('allows a few per second to a process that sends next to nothing', () => {
    const budget = new RetryBudget(systemClock);
    expect(drain(budget)).toBe(3);
    vi.advanceTimersByTime(1_000);
    expect(drain(budget)).toBe(3);
    vi.advanceTimersByTime(60_000);
    expect(drain(budget)).toBe(3);
  });

  test('allows a fifth of the requests besides', () => {
    const budget = new RetryBudget(systemClock);
    drain(budget);
    for (let i = 0; i < 101; i++) budget.deposit();
    expect(drain(budget)).toBe(20);
  });

  test('saves up only so much', () => {
    const budget = new RetryBudget(systemClock);
    for (let i = 0; i < 1_000_000; i++) budget.deposit();
    expect(drain(budget)).toBe(103);
  });
});
