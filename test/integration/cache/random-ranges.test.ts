/** Random ranges from the memory of the proxy against etcd, in a short form. `npm run test:cache` compares more of them. */
import { expect, test } from 'vitest';
import { compareRanges } from '../../cache/comparison.ts';
import { ordersProgress } from '../../support/etcd-release.ts';
import { seed } from '../../support/seeded.ts';

test(`3,000 random ranges are exactly what etcd has at their revisions, while members fail and leaders change (SEED=${seed})`, async () => {
  const { problems, figures } = await compareRanges({ seed, ranges: 3_000, forMs: 8_000 });
  expect(problems).toEqual([]);
  // The run was one of the kind that the test is about.
  const compared = figures['compared'] ?? 0;
  expect(compared).toBeGreaterThan(2_000);
  // Without ordered progress most linearizable reads pass to etcd.
  expect(figures['hits']).toBeGreaterThan(compared * (ordersProgress() ? 0.5 : 0.2));
});
