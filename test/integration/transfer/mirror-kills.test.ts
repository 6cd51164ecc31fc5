/** A mirror that is killed at random moments. The long form is `npm run test:mirror`. */
import { expect, test } from 'vitest';
import { trial } from '../../mirror/trial.ts';
import { seed } from '../../support/seeded.ts';

const shared = { seed, restartsEtcd: false, oldKeys: 2_000 };

test(`every change arrives once, in order, and no key is copied again (SEED=${seed})`, async () => {
  const result = await trial({ ...shared, kills: 7, compacts: false });
  expect(result).toMatchObject({ problems: [], copies: 0, kills: 7 });
  expect(result.destinationEvents).toBe(result.sourceEvents);
  expect(result.sourceEvents).toBeGreaterThan(50);
});

test(`the keys are equal if the source was compacted meanwhile (SEED=${seed})`, async () => {
  const result = await trial({ ...shared, kills: 3, compacts: true });
  expect(result.problems).toEqual([]);
});
