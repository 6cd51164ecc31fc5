/** Compares the results of one test of etcd directly and through the proxy. */
import { join } from 'node:path';
import type { Outcomes } from '../support/go-test.ts';
import { differences, differencesOfSharedWatches } from './differences.ts';
import { direct, type Mode, proxiedModes } from './mode.ts';
import type { Suite } from './suites.ts';
import type { TestProgram } from './test-module.ts';
import { runTest } from './test-run.ts';

export type Verdict = 'same' | 'expected' | 'different';

export interface Finding {
  readonly verdict: Verdict;
  /** The outcome, the reason of an expected difference, or the difference. */
  readonly text: string;
}

/**
 * A test that depends on time can fail on a busy machine. The framework skips a test if the process does not become idle within
 * 10 ms. When a test stops a member, the proxy in front of it can still be dialed, and the client sends every third call there.
 */
const attemptsMax = 6;

/** The result for the test itself, or one for each mode that differs. `logs` is a folder for the output of the runs. */
export async function compare(
  program: TestProgram,
  test: string,
  suite: Suite,
  logs: string,
): Promise<readonly Finding[]> {
  const run = (mode: Mode, attempt: number): Promise<Outcomes> =>
    runTest(program, test, mode, join(logs, `${test}, ${mode.name}, ${attempt}.log`));

  const expected = await attempts(
    (attempt) => run(direct, attempt),
    (outcomes) => outcomes.get(test) === 'PASS',
  );
  const findings: Finding[] = [];
  for (const mode of proxiedModes(test, suite)) {
    const reason = reasonFor(test, mode);
    const actual = await attempts(
      (attempt) => run(mode, attempt),
      (outcomes) => reason !== undefined || differencesOf(expected, outcomes) === '',
    );
    const finding = findingOf(differencesOf(expected, actual), reason);
    if (finding !== null) findings.push({ ...finding, text: `${finding.text} (${mode.name})` });
  }
  if (findings.length > 0) return findings;
  return [{ verdict: 'same', text: expected.get(test) ?? '' }];
}

/** Repeats the run until it is as it should be. Returns the results of the last one. */
async function attempts(
  run: (attempt: number) => Promise<Outcomes>,
  isFine: (outcomes: Outcomes) => boolean,
): Promise<Outcomes> {
  for (let attempt = 1; ; attempt += 1) {
    const outcomes = await run(attempt);
    if (attempt === attemptsMax || isFine(outcomes)) return outcomes;
  }
}

function findingOf(found: string, reason: string | undefined): Finding | null {
  if (reason === undefined) return found === '' ? null : { verdict: 'different', text: found };
  if (found === '') return { verdict: 'different', text: 'no longer differs, see differences.ts' };
  return { verdict: 'expected', text: reason };
}

function reasonFor(test: string, mode: Mode): string | undefined {
  const reason = differences.get(test);
  return reason ?? (mode.sharesWatches ? differencesOfSharedWatches.get(test) : undefined);
}

/** Empty if there is none. */
function differencesOf(expected: Outcomes, actual: Outcomes): string {
  return [...new Set([...expected.keys(), ...actual.keys()])]
    .filter((name) => expected.get(name) !== actual.get(name))
    .map((name) => `${name} ${expected.get(name) ?? 'not run'} → ${actual.get(name) ?? 'not run'}`)
    .join(', ');
}
