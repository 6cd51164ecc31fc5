import { expect, test } from 'vitest';
import { Sampler } from '../../../../src/observe/advice/sampler.ts';
import { Seeded } from '../../../support/seeded.ts';

/** `calls` at a constant rate: how many were sampled, and how many they represent. */
function sampled(calls: number, callsPerSecond: number) {
  const seeded = new Seeded(7);
  const random = { integer: (min: number, max: number) => min + seeded.below(max - min) };
  const sampler = new Sampler(random, 0);
  let samples = 0;
  let represented = 0;
  let left = sampler.gap;
  for (let call = 0; call < calls; call++) {
    left -= 1;
    if (left > 0) continue;
    represented += sampler.take((call * 1_000) / callsPerSecond);
    samples += 1;
    left = sampler.gap;
  }
  return { samples, represented, sampler };
}

test('every call is sampled while there are few', () => {
  expect(sampled(400, 50)).toMatchObject({ samples: 400, represented: 400 });
});

test('many calls are sampled about 100 times per second, and the samples represent all calls', () => {
  const { samples, represented } = sampled(500_000, 50_000);
  expect(samples).toBeGreaterThan(700);
  expect(samples).toBeLessThan(1_500);
  expect(represented / 500_000).toBeGreaterThan(0.9);
  expect(represented / 500_000).toBeLessThan(1.1);
});

test('a burst after a quiet time is sampled no more often', () => {
  expect(sampled(50_000, 1_000_000).samples).toBeLessThan(400);
});

test('after a restart the next call is sampled', () => {
  const { sampler } = sampled(500_000, 50_000);
  sampler.restart(20_000);
  expect([sampler.gap, sampler.take(20_001)]).toEqual([1, 1]);
});
