/** What a linter of workflows does not check: permissions, versions of actions, and that the commands are the repository's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

interface Step {
  readonly uses?: string;
  readonly run?: string;
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly Step[]; readonly 'timeout-minutes'?: number }>
  >;
}

const folder = '.github/workflows';
const workflows = readdirSync(folder).map(
  (name) => [name, parse(readFileSync(`${folder}/${name}`, 'utf8')) as Workflow] as const,
);
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));

describe.each(workflows)('%s', (_, { permissions, jobs }) => {
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const commands = steps.flatMap(({ run = '' }) => run.split('\n'));

  test('grants jobs read access only, and bounds their time', () => {
    expect(permissions).toEqual({ contents: 'read' });
    expect(Object.values(jobs).filter((job) => job['timeout-minutes'] === undefined)).toEqual([]);
  });

  test('uses actions of a fixed version', () => {
    const floating = steps.filter(({ uses }) => uses !== undefined && !/@v\d+$/.test(uses));
    expect(floating).toEqual([]);
  });

  test('runs only scripts that the repository has', () => {
    const used = commands.flatMap((line) =>
      [...line.matchAll(/npm run ([\w:-]+)|node (scripts\/[\w-]+\.\w+)|^(\.ci\/\w+)/g)].map(
        ([, script, ...files]) => ({ script, file: files.find((each) => each !== undefined) }),
      ),
    );
    const missing = used.filter(({ script, file }) =>
      script === undefined ? !existsSync(file ?? '') : !Object.hasOwn(scripts, script),
    );
    expect(missing).toEqual([]);
    expect(used.length).toBeGreaterThan(0);
  });
});

test('the checks of a change are those of .ci/run', () => {
  const ci = workflows.find(([name]) => name === 'ci.yml')?.[1];
  expect(ci?.jobs['check']?.steps.map(({ run }) => run)).toContain('.ci/run');
});
