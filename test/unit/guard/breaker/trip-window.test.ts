import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TripWindow, windowBuckets } from '../../../../src/guard/breaker/trip-window.ts';

const config = {
  enabled: true,
  windowMs: 10_000,
  callsMin: 20,
  errorPercent: 50,
  openMs: 1_500,
  openMaxMs: 10_000,
};

let window: TripWindow;

beforeEach(() => {
  vi.useFakeTimers();
  window = new TripWindow(config);
});

afterEach(() => {
  window.close();
  expect(vi.getTimerCount(), 'timers left').toBe(0);
  vi.useRealTimers();
});

const failures = (times: number) => Array.from({ length: times }, () => window.failure());

test('trips at the minimum of calls, and not before', () => {
  expect(failures(19)).not.toContain(true);
  expect(window.failure()).toBe(true);
});

test('trips when the share of failures exceeds the threshold', () => {
  for (let i = 0; i < 30; i++) window.success();
  expect(failures(30)).not.toContain(true);
  expect(window.failure()).toBe(true);
});

test('drops outcomes that are older than the window', () => {
  failures(19);
  for (let i = 1; i < windowBuckets; i++) expect(window.rotate()).toBe(true);
  expect(window.rotate()).toBe(false);
  expect(failures(19)).not.toContain(true);
});

test.each([1, 10, 30, 50, 70, 99, 100])(
  'half failures alone never trip it: threshold of %i percent',
  (errorPercent) => {
    window.close();
    window = new TripWindow({ ...config, errorPercent });
    for (let i = 0; i < 500; i++) {
      expect(window.halfFailure()).toBe(false);
      if (i % 40 === 39) window.rotate();
    }
  },
);

test('has no timer while it is in use', () => {
  failures(19);
  window.success();
  window.halfFailure();
  expect(vi.getTimerCount()).toBe(0);
});
