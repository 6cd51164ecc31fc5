/**
 * Watches that share feeds against watches of etcd, in a cluster whose members fail. Alone on the machine, because what a
 * watch may miss depends on how long a member was away. `npm run test:watches` makes longer runs, and more of them.
 */
import { expect, test } from 'vitest';
import { seed } from '../../support/seeded.ts';
import { compareWatches } from '../../watches/comparison.ts';

test(`1,000 watches get exactly what etcd would send them, and no stream is lost, while members are killed and paused and revisions are compacted (SEED=${seed})`, async () => {
  const { problems, losses, figures } = await compareWatches({
    seed,
    watches: 1_000,
    forMs: 10_000,
  });
  expect(problems).toEqual([]);
  expect(losses).toEqual([]);
  // The run was one of the kind that the test is about.
  expect(figures).toMatchObject({ watches: 1_000 });
  expect(figures['open to the end']).toBeGreaterThan(100);
  expect(figures['events']).toBeGreaterThan(3_000);
  expect(figures['compactions']).toBeGreaterThan(1);
});
