/** Loads a configuration from the lines of a YAML file, which has one endpoint already. Tenants are not checked for overlaps. */
import type { Config } from '../../src/config/config.ts';
import { type LoadResult, loadConfig } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';

/** What was loaded, with its problems. */
export function loaded(...lines: string[]): Promise<LoadResult> {
  return loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: ['endpoints: etcd:1', ...lines].join('\n') },
    checkTenants: () => [],
  });
}

/** Rejects with the problems, if there are any. */
export async function loadedConfig(...lines: string[]): Promise<Config> {
  const { config, problems } = await loaded(...lines);
  if (config === null) throw new Error(problems.map(formatProblem).join('\n'));
  return config;
}

/** The problems as they are printed. */
export async function problemsOf(...lines: string[]): Promise<string[]> {
  return (await loaded(...lines)).problems.map(formatProblem);
}
