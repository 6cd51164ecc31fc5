import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RetryBudget } from '../../../src/guard/retry-budget.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** How many retries are allowed now. */
function drain(budget: RetryBudget): number {
  let allowed = 0;
  while (budget.withdraw()) allowed += 1;
  return allowed;
}

describe('the retry budget', () => {
  test('allows a few retries per second at a low request rate', () => {
    const budget = new RetryBudget(systemClock);
    expect(drain(budget)).toBe(3);
    vi.advanceTimersByTime(1_000);
    expect(drain(budget)).toBe(3);
    vi.advanceTimersByTime(60_000);
    expect(drain(budget)).toBe(3);
  });

  test('also allows retries of a fifth of the requests', () => {
    const budget = new RetryBudget(systemClock);
    drain(budget);
    for (let i = 0; i < 101; i++) budget.deposit();
    expect(drain(budget)).toBe(20);
  });

  test('accumulates retries up to a limit', () => {
    const budget = new RetryBudget(systemClock);
    for (let i = 0; i < 1_000_000; i++) budget.deposit();
    expect(drain(budget)).toBe(103);
  });
});
