/** A short soak; `npm run test:soak` runs one of ten minutes. What counts as passed is said in test/soak/soak.ts. */
import { expect, test } from 'vitest';
import { soak } from '../soak/soak.ts';
import { seed } from '../support/seeded.ts';

test(`twenty seconds of mixed load leave the proxy as it was (SEED=${seed})`, async () => {
  const { findings, after, before } = await soak(20_000, seed);
  expect(findings).toEqual([]);
  expect(after.callsStarted).toBeGreaterThan(before.callsStarted);
});
