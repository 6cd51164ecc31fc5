/**
 * The fault matrix: every fault on every path, under load, with its checks. A run of everything, or one with --save, writes
 * docs/faults.md. Exits with 0 if no check is violated through the proxy and directly; etcd itself proves the checks.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment } from '../../bench/environment.ts';
import { Processes } from '../../bench/processes.ts';
import { etcdVersion } from '../support/etcd-release.ts';
import { seed as freshSeed } from '../support/seeded.ts';
import { type CellOptions, runCell } from './cell.ts';
import { faults } from './faults/all.ts';
import { type PathName, pathNames } from './path.ts';
import { render } from './report.ts';
import { type CellRecord, failedRecord, type Results, saveResults, toRecord } from './results.ts';

const usage = `Usage: npm run faults -- [options]

  --only FAULT    only this fault; may be repeated
  --path PATH     only this path; may be repeated: ${pathNames.join(', ')}
  --seconds N     how long a fault lasts that has no duration of its own (default 6)
  --seed N        of the random choices; their timing is not repeated
  --save          write docs/faults.md although not everything is run
  --help

Faults: ${faults.map(({ name }) => name).join(', ')}
`;

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    path: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '6' },
    seed: { type: 'string', default: `${freshSeed}` },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const repository = fileURLToPath(new URL('../..', import.meta.url));
const page = `${repository}docs/faults.md`;

function isChosen(chosen: readonly string[], name: string): boolean {
  return chosen.length === 0 || chosen.includes(name);
}

function unknownNames(): string[] {
  const known = new Set<string>([...pathNames, ...faults.map(({ name }) => name)]);
  return [...values.only, ...values.path].filter((name) => !known.has(name));
}

async function run(options: CellOptions, commit: string): Promise<CellRecord> {
  const date = new Date().toISOString().slice(0, 10);
  try {
    return toRecord(await runCell(options), { date, commit });
  } catch (error) {
    const { fault, path } = options;
    return failedRecord({ fault: fault.name, path, date, commit }, error as Error);
  }
}

function print({ fault, path, longest, errors, violations, causedByEtcd }: CellRecord): void {
  console.log(`${fault}, ${path}: ${JSON.stringify(longest)} ${JSON.stringify(errors)}`);
  for (const violation of violations) console.log(`  VIOLATED ${violation}`);
  if (causedByEtcd !== undefined) console.log(`  because ${causedByEtcd}`);
}

interface Description extends Pick<Results, 'environment'> {
  readonly commit: string;
}

/** Builds the program, too. */
async function describe(): Promise<Description> {
  await using processes = new Processes();
  await processes.run('npm', ['run', 'build'], repository);
  const { commit, cpu, cores, memoryGiB, kernel, node } = await describeEnvironment(processes);
  const environment = {
    ...{ etcd: etcdVersion().join('.'), Node: node, CPU: cpu, cores, kernel },
    'memory in GiB': memoryGiB,
  };
  return { environment, commit: commit ?? 'unknown' };
}

async function main(): Promise<number> {
  const unknown = unknownNames();
  if (values.help || unknown.length > 0) {
    console.log(unknown.length > 0 ? `unknown: ${unknown.join(', ')}\n\n${usage}` : usage);
    return unknown.length > 0 ? 64 : 0;
  }
  const seed = Number(values.seed);
  const lastsMs = Number(values.seconds) * 1_000;
  console.log(`etcd ${etcdVersion().join('.')}, SEED=${seed}`);
  // Before the first result changes a file.
  const { environment, commit } = await describe();
  const cells: CellRecord[] = [];
  const everything = values.only.length + values.path.length === 0;
  for (const fault of faults) {
    for (const path of fault.paths) {
      if (!isChosen(values.only, fault.name) || !isChosen(values.path, path)) continue;
      const cell = await run({ fault, path, lastsMs, seed, isCompiled: true }, commit);
      print(cell);
      cells.push(cell);
      if (everything || values.save) {
        writeFileSync(page, render(saveResults({ environment, cells: [cell] })));
      }
    }
  }
  const mustPass: readonly PathName[] = ['proxy', 'direct'];
  const failed = cells.filter(
    ({ path, violations, causedByEtcd }) =>
      mustPass.includes(path) && violations.length > 0 && causedByEtcd === undefined,
  );
  console.log(`${cells.length} cells, ${failed.length} failed`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
