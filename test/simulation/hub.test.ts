/** A fixed number of scenarios. The seed is that of the commit, so a run that fails can be repeated. */
import { expect, test } from 'vitest';
import { commitSeed } from '../support/seeded.ts';
import { report } from './report.ts';
import { runScenario } from './scenario.ts';

const batches = 20;
const scenariosPerBatch = 200;
const seed = commitSeed();

test.each(Array.from({ length: batches }, (_, i) => seed + i * scenariosPerBatch))(
  `${scenariosPerBatch} scenarios from seed %i keep every guarantee of a watch`,
  (first) => {
    for (let i = 0; i < scenariosPerBatch; i++) {
      const outcome = runScenario(first + i);
      if (outcome.violations.length > 0) expect.fail(report(outcome, true));
    }
  },
);
