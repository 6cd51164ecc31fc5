import { expect, test } from 'vitest';
import { Ejection } from '../../../src/upstream/ejection.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** Without jitter: the middle of each range. */
const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };

function failTimes(ejection: Ejection, times: number): boolean[] {
  return Array.from({ length: times }, () => ejection.onCall('failing'));
}

test('five consecutive failures eject an endpoint, four do not', () => {
  const ejection = new Ejection(new ManualClock(), random);
  failTimes(ejection, 4);
  ejection.onCall('alive');
  failTimes(ejection, 4);
  expect(ejection.isEjected).toBe(false);
  ejection.onCall('neither');
  expect(ejection.onCall('failing')).toBe(true);
  expect(ejection.isEjected).toBe(true);
});

test('a probe ends the ejection, but not before the penalty has expired', () => {
  const clock = new ManualClock();
  const ejection = new Ejection(clock, random);
  failTimes(ejection, 5);
  expect(ejection.penaltyMs).toBe(1_000);
  clock.advance(999);
  expect(ejection.onProbe(true)).toBe(false);
  clock.advance(1);
  expect(ejection.onProbe(true)).toBe(true);
  expect(ejection.isEjected).toBe(false);
});

test('the penalty doubles up to a minute, and a successful call resets it', () => {
  const clock = new ManualClock();
  const ejection = new Ejection(clock, random);
  failTimes(ejection, 5);
  const penalties: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    penalties.push(ejection.penaltyMs);
    clock.advance(ejection.penaltyMs);
    ejection.onProbe(false);
  }
  expect(penalties).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  expect(ejection.onCall('alive')).toBe(true);
  failTimes(ejection, 5);
  expect(ejection.penaltyMs).toBe(1_000);
});
