/** Runs one test of etcd in a process of its own, directly or through the proxy. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcomes, runGoTest } from '../support/go-test.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import type { Mode } from './mode.ts';
import type { TestProgram } from './test-module.ts';

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts');
const watchedProxy = join(import.meta.dirname, 'watched-proxy.ts');
const timeout = '5m';

/** Writes the output of the test and of its proxies to the file `log`. */
export async function runTest(
  program: TestProgram,
  test: string,
  mode: Mode,
  log: string,
): Promise<Outcomes> {
  using directory = new TemporaryDirectory('etcd-client');
  return await runGoTest(test, {
    command: [program.path, '-test.v', `-test.timeout=${timeout}`, `-test.run=^${test}$`],
    folder: program.folder,
    environment: { TMPDIR: directory.path, ...proxyCommand(mode, directory.path) },
    log,
  });
}

/** See through_proxy.go. */
function proxyCommand({ settings, readsFromMemory }: Mode, folder: string): Record<string, string> {
  if (settings === null) return {};
  const program = readsFromMemory ? watchedProxy : main;
  const config = join(folder, 'config.json');
  writeFileSync(config, JSON.stringify(settings));
  return { PROXY_COMMAND: JSON.stringify([process.execPath, program, 'run', '--config', config]) };
}
