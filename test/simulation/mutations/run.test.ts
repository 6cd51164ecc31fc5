/** Only a violated invariant counts as caught. */
import { expect, test } from 'vitest';
import { runMutation } from './run.ts';

const from = 'export class Feed ';

test.each([
  ['that makes the hub loop times out', `for (;;);\n${from}`, 'timed out', 1_000],
  ['that does not load crashes', `export klass Feed `, 'crashed', 60_000],
  ['that changes no behaviour is missed', `/* the same */ ${from}`, 'missed', 60_000],
])('a break %s', async (what, to, outcome, timeoutMs) => {
  const mutation = { what, replacements: [{ file: 'watch/hub/feed.ts', from, to }] };
  const result = await runMutation(mutation, { scenariosMax: 2, seed: 1, timeoutMs });
  expect(result.outcome, result.output).toBe(outcome);
});
