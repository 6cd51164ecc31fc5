/**
 * Helm for tests: taken from the PATH, or built once by Go, from Helm's module, into the user's cache. Without Helm and Go
 * `helm` is null, and tests that need it are skipped; test/unit/helm checks what needs neither.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { goProgram, isProgram } from './cached-programs.ts';

const helmVersion = 'v3.19.0';
/** Helm built from its module assumes Kubernetes 1.20 unless this flag is set. */
export const kubeVersion = '--kube-version=1.31.0';
export const chart = fileURLToPath(new URL('../../helm/etcd-bulkhead', import.meta.url));

// Not run synchronously: a build takes a minute, and the test runner must stay responsive.
export const helm: string | null = (await isProgram('helm', ['version']))
  ? 'helm'
  : await goProgram('helm', `helm.sh/helm/v3/cmd/helm@${helmVersion}`, helmVersion);

export interface HelmResult {
  readonly status: number | null;
  readonly output: string;
}

export function runHelm(...args: string[]): HelmResult {
  const { status, stdout, stderr } = spawnSync(helm ?? 'helm', args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** The documents that Helm renders from the chart in `folder`. Fails the test if Helm does. */
export function rendered(folder: string, ...args: string[]): unknown[] {
  const { status, output } = runHelm('template', 'demo', folder, kubeVersion, ...args);
  expect(status, output).toBe(0);
  return parseAllDocuments(output)
    .map((document) => document.toJS())
    .filter((document) => document !== null);
}
