/**
 * `npm run bench -- fleet`: what a host full of processes costs the cluster. Simulated processes join through each target in
 * turn, observe each other, and report what they have seen. Each target has an etcd of its own.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment } from './environment.ts';
import { type FleetOptions, type FleetResult, measureFleet } from './measure-fleet.ts';
import { Processes } from './processes.ts';
import { type TargetName, targetNames } from './scenario.ts';
import { formatFigure, renderTable } from './table.ts';

const fleetTargets: readonly TargetName[] = [
  'etcd',
  'grpc-proxy',
  'grpc-proxy-3.7',
  'bulkhead-native',
  'bulkhead-2-workers',
];

const usage = `Usage: npm run bench -- fleet [options]

  --namespaces M   key prefixes under which the processes register (default 1)
  --processes N    processes in each of them (default 200)
  --conns C        connections of all processes together (default: one each)
  --rate R         updates of its key per process and second (default 0.1)
  --seconds S      how long the processes update their keys (default 20)
  --value-bytes B  size of a value (default 128)
  --joins-at-once J  how many processes join at the same time (default 100)
  --clients K      operating system processes that simulate them (default 1)
  --targets A,B    only these of: ${targetNames.join(', ')}
                   (default: ${fleetTargets.join(', ')})
  --save           write to bench/results/, to be committed, instead of bench/results/local/
`;

const repository = fileURLToPath(new URL('..', import.meta.url));

/** Null if the command line is invalid. */
function readOptions(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      namespaces: { ...text, default: '1' },
      processes: { ...text, default: '200' },
      conns: text,
      rate: { ...text, default: '0.1' },
      seconds: { ...text, default: '20' },
      'value-bytes': { ...text, default: '128' },
      'joins-at-once': { ...text, default: '100' },
      clients: { ...text, default: '1' },
      targets: { ...text, default: fleetTargets.join(',') },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const namespaces = Number(values.namespaces);
  const processes = Number(values.processes);
  const options: FleetOptions = {
    namespaces,
    processes,
    connections: Number(values.conns ?? namespaces * processes),
    perSecond: Number(values.rate),
    seconds: Number(values.seconds),
    valueBytes: Number(values['value-bytes']),
    joinsAtOnce: Number(values['joins-at-once']),
    clients: Number(values.clients),
  };
  const wanted = values.targets.split(',');
  const names = targetNames.filter((name) => wanted.includes(name));
  const isValid =
    Object.values(options).every((value) => value > 0) && names.length === wanted.length;
  return values.help || !isValid ? null : { options, names, isSaved: values.save };
}

function progressOf(name: TargetName): (line: string) => void {
  if (!process.stderr.isTTY) return (line) => console.error(`${name}: ${line}`);
  return (line) => process.stderr.write(`\r\u001b[K${name}: ${line}`);
}

const columns: readonly (readonly [string, (result: FleetResult) => number | null])[] = [
  ['joined s', ({ joinedMs }) => joinedMs / 1000],
  ['all seen s', ({ everyoneMs }) => (everyoneMs === null ? null : everyoneMs / 1000)],
  ['join CPU s', ({ joinCpuMs }) => joinCpuMs / 1000],
  ['etcd', ({ joinEtcdCpuMs }) => joinEtcdCpuMs / 1000],
  ['events/s', ({ eventsPerSecond }) => eventsPerSecond],
  ['p50 ms', ({ p50Us }) => (p50Us === null ? null : p50Us / 1000)],
  ['p99 ms', ({ p99Us }) => (p99Us === null ? null : p99Us / 1000)],
  ['lost', ({ lostEvents }) => lostEvents],
  ['failures', ({ failures }) => failures],
  ['CPU %', ({ cpuShare }) => cpuShare * 100],
  ['etcd %', ({ etcdCpuShare }) => etcdCpuShare * 100],
  ['from etcd KiB/s', ({ fromEtcdPerSecond }) => fromEtcdPerSecond / 1024],
  ['to etcd KiB/s', ({ toEtcdPerSecond }) => toEtcdPerSecond / 1024],
  ['RSS MiB', ({ residentMiB }) => residentMiB],
];

/** CPU of the whole benchmark, joins included, relative to grpc-proxy. */
function renderRatios(results: readonly FleetResult[]): string {
  const base = results.find(({ target }) => target === 'grpc-proxy');
  if (base === undefined) return '';
  const rows = results.map((result) => [
    result.target,
    formatFigure(result.totalCpuMs / 1000),
    formatFigure(result.totalCpuMs / base.totalCpuMs),
  ]);
  return renderTable(['CPU of proxy and etcd', 's', '×grpc-proxy'], rows);
}

/** Resolves to the exit code: 1 if etcd-bulkhead lost an event. */
export async function fleet(args: readonly string[]): Promise<number> {
  const read = readOptions(args);
  if (read === null) {
    console.log(usage);
    return args.includes('--help') ? 0 : 64;
  }
  const { options, names, isSaved } = read;
  await using processes = new Processes();
  processes.killAtExit();
  await processes.run('npm', ['run', 'build'], repository);
  const environment = await describeEnvironment(processes);
  const results: FleetResult[] = [];
  for (const name of names) {
    const progress = progressOf(name);
    try {
      results.push(await measureFleet(name, options, processes, progress));
      progress('done\n');
    } catch (error) {
      progress(`not measured: ${error instanceof Error ? error.message : error}\n`);
    }
  }
  const { namespaces, processes: each } = options;
  const title = `${namespaces} x ${each} processes`;
  console.log(
    renderTable(
      [title, ...columns.map(([head]) => head)],
      results.map((result) => [
        result.target,
        ...columns.map(([, cell]) => formatFigure(cell(result))),
      ]),
    ),
  );
  console.log(`\n${renderRatios(results)}`);
  for (const { target, firstFailure } of results) {
    if (firstFailure !== null) console.log(`${target}: first failure: ${firstFailure}`);
  }
  const folder = `${repository}bench/results/${isSaved ? '' : 'local/'}`;
  mkdirSync(folder, { recursive: true });
  const file = `${folder}fleet-${namespaces}x${each}.json`;
  writeFileSync(file, `${JSON.stringify({ environment, options, results }, null, 2)}\n`);
  const isWrong = ({ target, lostEvents, failures }: FleetResult) =>
    target.startsWith('bulkhead') && lostEvents + failures > 0;
  return results.some(isWrong) ? 1 : 0;
}
