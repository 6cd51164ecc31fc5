import { expect, test } from 'vitest';
import { Accrual } from '../../../src/upstream/ejection.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** No spread: the middle of every range. */
const random = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };

function failTimes(accrual: Accrual, times: number): boolean[] {
  return Array.from({ length: times }, () => accrual.called('failing'));
}

test('five failures in a row put an endpoint out, four do not', () => {
  const accrual = new Accrual(new ManualClock(), random);
  failTimes(accrual, 4);
  accrual.called('alive');
  failTimes(accrual, 4);
  expect(accrual.isOut).toBe(false);
  accrual.called('neither');
  expect(accrual.called('failing')).toBe(true);
  expect(accrual.isOut).toBe(true);
});

test('a probe lets it back in, but not before the penalty is over', () => {
  const clock = new ManualClock();
  const accrual = new Accrual(clock, random);
  failTimes(accrual, 5);
  expect(accrual.penaltyMs).toBe(1_000);
  clock.advance(999);
  expect(accrual.probed(true)).toBe(false);
  clock.advance(1);
  expect(accrual.probed(true)).toBe(true);
  expect(accrual.isOut).toBe(false);
});

test('the penalty doubles up to a minute, and a call that succeeds makes it short again', () => {
  const clock = new ManualClock();
  const accrual = new Accrual(clock, random);
  failTimes(accrual, 5);
  const penalties: number[] = [];
  for (let i = 0; i < 8; i += 1) {
    penalties.push(accrual.penaltyMs);
    clock.advance(accrual.penaltyMs);
    accrual.probed(false);
  }
  expect(penalties).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  expect(accrual.called('alive')).toBe(true);
  failTimes(accrual, 5);
  expect(accrual.penaltyMs).toBe(1_000);
});
