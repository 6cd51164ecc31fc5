/** Runs a compiled Go test in a process group of its own, and reads what it reports. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { atExit } from './at-exit.ts';

export type Outcome = 'PASS' | 'FAIL' | 'SKIP';

/** By the names of the test and its subtests. */
export type Outcomes = ReadonlyMap<string, Outcome>;

export interface GoTestRun {
  readonly command: readonly [program: string, ...args: string[]];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The file for the output of the test and of what it starts. */
  readonly log: string;
}

/** Ends what the test has started and not stopped. Rejects if the program cannot be started. */
export async function runGoTest(test: string, run: GoTestRun): Promise<Outcomes> {
  const [program, ...args] = run.command;
  const output = openSync(run.log, 'w');
  const child = spawn(program, args, {
    cwd: run.folder,
    env: { ...process.env, ...run.environment },
    stdio: ['ignore', output, output],
    detached: true,
  });
  closeSync(output);
  const killGroup = () => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // No process of the group is left.
    }
  };
  const unregister = atExit(killGroup);
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => resolve());
    child.once('error', reject);
  });
  killGroup();
  unregister();
  return outcomesIn(readFileSync(run.log, 'utf8'), test);
}

/** A test that was ended by a panic or the timeout reports nothing, and has failed. */
function outcomesIn(output: string, test: string): Outcomes {
  const outcomes = new Map<string, Outcome>([[test, 'FAIL']]);
  for (const [, outcome, name] of output.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+) \(/gm)) {
    if (name !== undefined) outcomes.set(name, outcome as Outcome);
  }
  return outcomes;
}
