/**
 * `npm run bench -- [options] SCENARIO…`: etcd, its own proxies, HAProxy and etcd-bulkhead, side by side in one run on
 * this machine. The result is ratios; absolute times depend on the machine. The method is in docs/performance.md.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { dashboard } from './dashboard.ts';
import { describeEnvironment, type Environment } from './environment.ts';
import { fleet } from './fleet.ts';
import { list } from './list.ts';
import { measureKeepAlives } from './measure-keep-alives.ts';
import { type Measured, type MeasureOptions, measureLoad } from './measure-load.ts';
import { measureTransfer } from './measure-transfer.ts';
import { measureWatchEvents } from './measure-watch-events.ts';
import { measureWatches } from './measure-watches.ts';
import { Processes } from './processes.ts';
import { judge, renderCase, renderVerdicts, toJson } from './report.ts';
import type { Case, CaseResult, Scenario, TargetName } from './scenario.ts';
import { defaultTargets, targetNames } from './scenario.ts';
import { scenarios } from './scenarios/all.ts';

const usage = `Usage: npm run bench -- [options] SCENARIO…
       npm run bench -- fleet [options]      (--help lists them)
       npm run bench -- dashboard [options]  (--help lists them)
       npm run bench -- list [options]       (--help lists them)

Scenarios: ${[...scenarios.keys()].join(', ')}

  --targets A,B   only these of: ${targetNames.join(', ')}
                  (default: ${defaultTargets.join(', ')})
  --rounds N      how often each target is measured (default 5)
  --quick         one short round, as a smoke test; its figures mean nothing
  --save          write bench/results/SCENARIO.json, to be committed, instead of bench/results/local/
  --help
`;

const quickShare = 0.05;
const repository = fileURLToPath(new URL('..', import.meta.url));

interface Run {
  readonly names: readonly TargetName[];
  readonly rounds: number;
  readonly isQuick: boolean;
  readonly isSaved: boolean;
  readonly processes: Processes;
}

function shortened(subject: Case): Case {
  switch (subject.kind) {
    case 'load': {
      const least = subject.connections * subject.inFlightPerConnection;
      return { ...subject, requests: Math.max(least, Math.ceil(subject.requests * quickShare)) };
    }
    case 'watch-events':
      return { ...subject, events: Math.ceil(subject.events * quickShare) };
    case 'watch-contention':
      return { ...subject, seconds: 1 };
    case 'idle-watches':
    case 'keep-alives':
    case 'watch-joins':
    case 'watch-memory':
      return { ...subject, connections: Math.ceil(subject.connections * quickShare) };
    case 'transfer':
      return { ...subject, keys: Math.ceil(subject.keys * quickShare) };
    default:
      return subject satisfies never;
  }
}

function measure(subject: Case, options: MeasureOptions): Promise<Measured> {
  switch (subject.kind) {
    case 'load':
      return measureLoad(subject, options);
    case 'idle-watches':
      return measureWatches(subject, options);
    case 'keep-alives':
      return measureKeepAlives(subject, options);
    case 'watch-events':
    case 'watch-contention':
    case 'watch-joins':
    case 'watch-memory':
      return measureWatchEvents(subject, options);
    case 'transfer':
      return measureTransfer(subject, options);
    default:
      return subject satisfies never;
  }
}

function isTargetName(name: string): name is TargetName {
  return targetNames.some((known) => known === name);
}

/** Resolves to false if etcd-bulkhead was requested and not measured. */
async function runScenario(
  scenario: Scenario,
  run: Run,
  environment: Environment,
): Promise<boolean> {
  console.log(`\n${scenario.title}\n`);
  const names = run.names.filter((name) => !scenario.excludes.includes(name));
  const results: CaseResult[] = [];
  const absent = new Map<TargetName, string>();
  for (const each of scenario.cases) {
    const subject = run.isQuick ? shortened(each) : each;
    const options = { names, rounds: run.rounds, isTls: scenario.tls, processes: run.processes };
    const measured = await measure(subject, options);
    for (const [name, reason] of measured.absent) {
      absent.set(name, reason);
    }
    const result = { case: measured.case, samples: measured.samples };
    results.push(result);
    console.log(`${renderCase(result)}\n`);
  }
  const verdicts = judge(scenario, results);
  if (verdicts.length > 0) {
    console.log(`${renderVerdicts(verdicts)}\n`);
  }
  for (const [name, reason] of absent) {
    console.log(`${name} is not in this comparison: ${reason}`);
  }
  if (run.isQuick) {
    console.log('A quick run is a smoke test; its figures mean nothing.');
  }
  const folder = `${repository}bench/results/${run.isSaved ? '' : 'local/'}`;
  mkdirSync(folder, { recursive: true });
  const file = `${folder}${scenario.name}.json`;
  const rounds = { rounds: run.rounds, quick: run.isQuick };
  const document = { environment, ...rounds, ...toJson(scenario, results, absent) };
  writeFileSync(file, `${JSON.stringify(document, null, 2)}\n`);
  console.log(`Written to ${relative(process.cwd(), file)}`);
  const isOurs = (name: TargetName) => name.startsWith('bulkhead');
  return !names.some(isOurs) || names.some((name) => isOurs(name) && !absent.has(name));
}

/** A requirement of the chosen scenarios that this machine does not meet, or null. */
function missingFor(environment: Environment, chosen: readonly Scenario[]): string | null {
  if (process.platform !== 'linux') {
    return 'The bench reads CPU time and memory from /proc, which only Linux has.';
  }
  if (environment.etcd === null) return 'The bench needs etcd. Debian: etcd-server.';
  const needsH2load = chosen.some(({ cases }) => cases.some(({ kind }) => kind === 'load'));
  return needsH2load && environment.h2load === null
    ? 'These scenarios need h2load. Debian: nghttp2-client.'
    : null;
}

/** Resolves to the exit code: 1 if etcd-bulkhead was requested and not measured. Other targets may be missing. */
async function main(): Promise<number> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === 'fleet') return fleet(rest);
  if (first === 'dashboard') return dashboard(rest);
  if (first === 'list') return list(rest);
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      targets: { type: 'string', default: defaultTargets.join(',') },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const chosen = positionals.map((name) => scenarios.get(name));
  const names = values.targets.split(',');
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
  const isWrong =
    chosen.length === 0 ||
    chosen.includes(undefined) ||
    !names.every(isTargetName) ||
    !(Number.isInteger(rounds) && rounds > 0);
  if (values.help || isWrong) {
    console.log(usage);
    return values.help ? 0 : 64;
  }

  await using processes = new Processes();
  processes.killAtExit();

  if (names.some((name) => name.startsWith('bulkhead'))) {
    await processes.run('npm', ['run', 'build'], repository);
  }
  const environment = await describeEnvironment(processes);
  console.log(
    Object.entries(environment)
      .map(([name, value]) => `${name}: ${value ?? 'not found'}`)
      .join('\n'),
  );
  const known = chosen.filter((each) => each !== undefined);
  const missing = missingFor(environment, known);
  if (missing !== null) {
    console.error(missing);
    return 1;
  }
  const run: Run = {
    names: targetNames.filter((name) => names.includes(name)),
    rounds,
    isQuick: values.quick,
    isSaved: values.save,
    processes,
  };
  let isMeasured = true;
  for (const scenario of known) {
    isMeasured = (await runScenario(scenario, run, environment)) && isMeasured;
  }
  return isMeasured ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
