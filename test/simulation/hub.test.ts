/** A fixed number of scenarios. The seed is that of the commit, so a run that fails can be repeated. */
import { expect, test } from 'vitest';
import { commitSeed } from '../support/seeded.ts';
import { CacheTotals } from './cache-totals.ts';
import { report } from './report.ts';
import { runScenario } from './scenario.ts';

const batches = 20;
const scenariosPerBatch = 200;
const seed = commitSeed();
const cache = new CacheTotals();

test.each(Array.from({ length: batches }, (_, i) => seed + i * scenariosPerBatch))(
  `${scenariosPerBatch} scenarios from seed %i keep every guarantee of watches and reads`,
  (first) => {
    for (let i = 0; i < scenariosPerBatch; i++) {
      const outcome = runScenario(first + i);
      cache.add(outcome.cache);
      if (outcome.violations.length > 0) expect.fail(report(outcome, true));
    }
  },
);

test('the scenarios have reads from memory, and reads at etcd for every reason', () => {
  expect(Object.entries(cache.counts).filter(([, count]) => count === 0)).toEqual([]);
});
