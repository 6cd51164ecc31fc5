import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/runtime/clock.ts';
import { Deadline, Deadlines } from '../../../src/runtime/deadlines.ts';
import { Seeded, seed } from '../../support/seeded.ts';

class Recorded extends Deadline {
  readonly firedMs: number[] = [];
  action: (() => void) | null = null;

  override onDeadline(): void {
    this.firedMs.push(systemClock.nowMs());
    this.action?.();
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('deadlines', () => {
  test('expire at most one tick late and never early', () => {
    const deadlines = new Deadlines(systemClock);
    const random = new Seeded(seed);
    const startMs = systemClock.nowMs();
    const entries = Array.from({ length: 500 }, () => {
      const entry = new Recorded();
      const dueMs = startMs + random.below(60_000);
      deadlines.add(entry, dueMs);
      return { entry, dueMs };
    });
    vi.advanceTimersByTime(61_000);
    for (const { entry, dueMs } of entries) {
      expect(entry.firedMs, `seed ${seed}`).toHaveLength(1);
      expect(entry.firedMs[0], `seed ${seed}`).toBeGreaterThanOrEqual(dueMs);
      expect(entry.firedMs[0], `seed ${seed}`).toBeLessThanOrEqual(dueMs + 52);
    }
    expect(deadlines.count).toBe(0);
  });

  test('use one timer for any number of entries, and none without entries', () => {
    const deadlines = new Deadlines(systemClock);
    expect(vi.getTimerCount()).toBe(0);
    const entries = Array.from({ length: 100 }, () => new Recorded());
    for (const entry of entries) deadlines.add(entry, systemClock.nowMs() + 15_000);
    expect(vi.getTimerCount()).toBe(1);
    for (const entry of entries) deadlines.remove(entry);
    vi.advanceTimersByTime(100);
    expect(vi.getTimerCount()).toBe(0);
    expect(entries.flatMap((entry) => entry.firedMs)).toEqual([]);
  });

  test('are replaced when an entry is added again, and removed by Infinity', () => {
    const deadlines = new Deadlines(systemClock);
    const entry = new Recorded();
    deadlines.add(entry, systemClock.nowMs() + 100);
    deadlines.add(entry, systemClock.nowMs() + 10_000);
    vi.advanceTimersByTime(1_000);
    expect(entry.firedMs).toEqual([]);
    expect(deadlines.count).toBe(1);
    deadlines.add(entry, Number.POSITIVE_INFINITY);
    expect(deadlines.count).toBe(0);
    vi.advanceTimersByTime(20_000);
    expect(entry.firedMs).toEqual([]);
  });

  test('let an expired entry remove other entries and add itself again', () => {
    const deadlines = new Deadlines(systemClock);
    const [first, second] = [new Recorded(), new Recorded()];
    const dueMs = systemClock.nowMs() + 100;
    deadlines.add(first, dueMs);
    deadlines.add(second, dueMs);
    first.action = () => {
      deadlines.remove(second);
      if (first.firedMs.length < 3) deadlines.add(first, systemClock.nowMs() + 100);
    };
    vi.advanceTimersByTime(5_000);
    expect(first.firedMs).toHaveLength(3);
    expect(second.firedMs).toEqual([]);
    expect(deadlines.count).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('that are overdue expire at the next tick', () => {
    const deadlines = new Deadlines(systemClock);
    const entry = new Recorded();
    deadlines.add(entry, systemClock.nowMs() - 5_000);
    vi.advanceTimersByTime(100);
    expect(entry.firedMs).toHaveLength(1);
  });

  test('that expire at the same time and take long are spread over several turns of the event loop', () => {
    let nowMs = 0;
    const timers: (() => void)[] = [];
    const clock = {
      ...systemClock,
      nowMs: () => nowMs,
      after: (_delayMs: number, action: () => void) => {
        timers.push(action);
        return () => {};
      },
    };
    const deadlines = new Deadlines(clock);
    const entries = Array.from({ length: 100 }, () => new Recorded());
    for (const entry of entries) {
      entry.action = () => {
        nowMs += 1;
      };
      deadlines.add(entry, 60);
    }
    const fired = () => entries.filter(({ firedMs }) => firedMs.length > 0).length;
    nowMs = 100;
    timers.shift()?.();
    expect(fired()).toBeGreaterThan(0);
    expect(fired()).toBeLessThan(20);
    // One that waits for its turn can still be removed.
    deadlines.remove(entries[99] as Recorded);
    while (timers.length > 0) timers.shift()?.();
    expect(fired()).toBe(99);
    expect(deadlines.count).toBe(0);
  });
});
