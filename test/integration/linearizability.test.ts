/**
 * Lists and transactions of simulated clients are linearizable, as porcupine sees them: it knows values, times and the order of
 * transactions, but no revisions and not etcd. Go builds the checker, once; without Go or its module the histories are not checked.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  historiesOf,
  type RegisterHistory,
  withEarlyValue,
  withLists,
  withStaleValue,
} from '../simulation/register-history.ts';
import { planOf, runScenario } from '../simulation/scenario.ts';
import { cacheFolder, isProgram } from '../support/cached-programs.ts';
import { commitSeed } from '../support/seeded.ts';

const scenarios = 1_000;
/** The checker may run out of time for the rest. */
const checkedMin = 0.99;
const seed = commitSeed();
const source = join(import.meta.dirname, '../linearizability');
const checker = join(cacheFolder, 'linearizability', 'check');
const isBuilt = await isProgram('go', ['build', '-C', source, '-o', checker, '.']);

function check(histories: readonly RegisterHistory[]): readonly string[] {
  const input = JSON.stringify(histories);
  const { stdout, status, stderr } = spawnSync(checker, { input, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout.trimEnd().split('\n');
}

describe.skipIf(!isBuilt)(`histories of ${scenarios} scenarios from seed ${seed}`, () => {
  const outcomes = Array.from({ length: scenarios }, (_, i) =>
    runScenario(seed + i, withLists(planOf(seed + i))),
  );
  const histories = outcomes.flatMap((outcome) =>
    historiesOf(outcome).map((history) => ({ seed: outcome.seed, history })),
  );

  test('are linearizable', () => {
    const results = check(histories.map(({ history }) => history));
    const wrong = histories.flatMap((each, i) => (results[i] === 'Illegal' ? [each.seed] : []));
    expect(wrong).toEqual([]);
    const checked = results.filter((result) => result === 'Ok');
    expect(checked.length).toBeGreaterThan(histories.length * checkedMin);
    expect(outcomes.some(({ cache }) => cache.linearizableHits > 0)).toBe(true);
  });

  test.each([
    ['a value that was written later', withEarlyValue],
    ['a value that was replaced before', withStaleValue],
  ])('are not if a list returns %s', (_, withWrongValue) => {
    const wrong = histories
      .map(({ history }) => withWrongValue(history))
      .filter((history) => history !== null);
    expect(wrong.length).toBeGreaterThan(0);
    expect(new Set(check(wrong))).toEqual(new Set(['Illegal']));
  });
});
