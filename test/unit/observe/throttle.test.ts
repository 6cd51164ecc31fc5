import { expect, test } from 'vitest';
import { Throttle } from '../../../src/observe/throttle.ts';
import { ManualClock } from '../../support/manual-clock.ts';

test('one line per key and interval; the next one counts those that were suppressed', () => {
  const clock = new ManualClock();
  const throttle = new Throttle(clock, 1_000);
  expect(throttle.pass('a')).toBe(0);
  expect(throttle.pass('a')).toBe(-1);
  expect(throttle.pass('b')).toBe(0);
  clock.advance(999);
  expect(throttle.pass('a')).toBe(-1);
  clock.advance(1);
  expect(throttle.pass('a')).toBe(2);
  clock.advance(1_000);
  expect(throttle.pass('a')).toBe(0);
});

test('keys beyond the limit share one slot', () => {
  const throttle = new Throttle(new ManualClock(), 1_000);
  const passed = Array.from({ length: 5_000 }, (_, i) => throttle.pass(`key ${i}`));
  expect(passed.filter((suppressed) => suppressed >= 0)).toHaveLength(1_001);
});
