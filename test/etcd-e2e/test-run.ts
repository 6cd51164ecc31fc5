/**
 * Runs one end-to-end test of etcd in a process of its own. The tests use fixed ports and do not stop every program, so each runs in
 * a network and process namespace of its own, where the system permits that.
 */
import { spawnSync } from 'node:child_process';
import { type Outcomes, runGoTest } from '../support/go-test.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import type { TestSuite } from './checkout.ts';

const timeout = '3m';

const namespaces = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
const script = 'ip link set lo up && exec "$@"';
const isIsolated =
  spawnSync('unshare', [...namespaces, 'sh', '-c', script, 'sh', 'true']).status === 0;

export function isolation(): string {
  return isIsolated ? 'each in a namespace of its own' : 'on the ports of this machine from 20000';
}

/** `programs` is the folder with etcd and etcdctl. Writes the output of the test and of what it starts to the file `log`. */
export async function runTest(
  suite: TestSuite,
  programs: string,
  test: string,
  log: string,
): Promise<Outcomes> {
  using directory = new TemporaryDirectory('etcd-e2e-run');
  const command = [
    ...[suite.path, '-bin-dir', programs, '-test.v', `-test.timeout=${timeout}`],
    `-test.run=^${test}$`,
  ];
  const [program = '', ...args] = isIsolated
    ? ['unshare', ...namespaces, 'sh', '-c', script, 'sh', ...command]
    : command;
  return await runGoTest(test, {
    command: [program, ...args],
    folder: suite.folder,
    environment: { TMPDIR: directory.path },
    log,
  });
}
