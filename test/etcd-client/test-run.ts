/** Runs one test of etcd in a process of its own, directly or through the proxy. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from '../support/at-exit.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import type { Mode } from './mode.ts';
import type { TestProgram } from './test-module.ts';

export type Outcome = 'PASS' | 'FAIL' | 'SKIP';

/** By the names of the test and its subtests. */
export type Outcomes = ReadonlyMap<string, Outcome>;

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const timeout = '5m';

/** Writes the output of the test and of its proxies to the file `log`. */
export async function runTest(
  program: TestProgram,
  test: string,
  mode: Mode,
  log: string,
): Promise<Outcomes> {
  using directory = new TemporaryDirectory('etcd-client');
  const output = openSync(log, 'w');
  const child = spawn(
    program.path,
    ['-test.v', `-test.timeout=${timeout}`, `-test.run=^${test}$`],
    {
      cwd: program.folder,
      env: { ...process.env, TMPDIR: directory.path, ...proxyCommand(mode, directory.path) },
      stdio: ['ignore', output, output],
      detached: true,
    },
  );
  closeSync(output);
  // The group contains the proxies that the test started and did not stop.
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
  return outcomesIn(readFileSync(log, 'utf8'), test);
}

/** See through_proxy.go. */
function proxyCommand({ settings }: Mode, folder: string): Record<string, string> {
  if (settings === null) return {};
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify(settings));
  return { PROXY_COMMAND: JSON.stringify([process.execPath, main, 'run', '--config', config]) };
}

/** A test that was ended by a panic or the timeout reports nothing, and has failed. */
export function outcomesIn(output: string, test: string): Outcomes {
  const outcomes = new Map<string, Outcome>([[test, 'FAIL']]);
  for (const [, outcome, name] of output.matchAll(/^ *--- (PASS|FAIL|SKIP): (\S+) \(/gm)) {
    if (name !== undefined) outcomes.set(name, outcome as Outcome);
  }
  return outcomes;
}
