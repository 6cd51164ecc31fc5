/**
 * `npm run bench -- list`: what lists of a watched range cost, direct, through grpc-proxy, and from the proxy's memory. Many
 * clients that list at the same time, as when a fleet starts.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment } from './environment.ts';
import { etcdOfLine } from './etcd-releases.ts';
import { type ListKind, type ListOptions, measureStorm, type StormSample } from './measure-list.ts';
import { Processes } from './processes.ts';
import { type TargetName, targetNames } from './scenario.ts';
import { median, rotated } from './statistics.ts';
import { formatFigure, renderTable } from './table.ts';

const listTargets: readonly TargetName[] = [
  'etcd',
  'grpc-proxy',
  'grpc-proxy-3.7',
  'bulkhead-native',
  'bulkhead-cached',
];
/** Targets that are measured with serializable reads too. */
const serializableTargets: readonly TargetName[] = ['grpc-proxy', 'bulkhead-cached'];

const usage = `Usage: npm run bench -- list [options]

  --clients N      connections that list at the same time (default 1000)
  --keys K         keys in the range (default 1000)
  --value-bytes B  size of a value (default 256)
  --rounds R       how often each target is measured (default 3)
  --etcd LINE      release line of etcd that npm run test:versions has built, or "path" for the one on the
                   PATH (default: 3.5 if it is built)
  --targets A,B    only these of: ${targetNames.join(', ')}
                   (default: ${listTargets.join(', ')})
  --save           write to bench/results/, to be committed, instead of bench/results/local/
`;

const repository = fileURLToPath(new URL('..', import.meta.url));

/** A ratio of medians, at most `limit`. */
interface ListBar {
  readonly what: string;
  readonly figure: keyof StormSample;
  readonly kind: string;
  readonly against: string;
  readonly limit: number;
}

const bars: readonly ListBar[] = [
  ['CPU of etcd', 'etcdCpuMs', 'etcd', 0.02] as const,
  ['bytes from etcd', 'fromEtcdMiB', 'etcd', 0.02] as const,
  ['CPU of proxy and etcd', 'cpuMs', 'etcd', 0.35] as const,
  ['CPU of proxy and etcd', 'cpuMs', 'grpc-proxy', 0.2] as const,
].map(([what, figure, against, limit]) => ({
  ...{ what, figure, against, limit },
  kind: 'bulkhead-cached',
}));

function kindsOf(names: readonly TargetName[]): readonly ListKind[] {
  return names.flatMap((target) => {
    const linearizable = { name: target, target, isSerializable: false };
    return serializableTargets.includes(target)
      ? [linearizable, { name: `${target}, serializable`, target, isSerializable: true }]
      : [linearizable];
  });
}

/** The program of etcd for `--etcd`. Null if it is not there. */
function etcdCommandOf(line: string | undefined): string | null {
  if (line === 'path') return 'etcd';
  const command = etcdOfLine(line ?? '3.5');
  if (existsSync(command)) return command;
  return line === undefined ? 'etcd' : null;
}

/** Null if the command line is invalid. */
function readOptions(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      clients: { ...text, default: '1000' },
      keys: { ...text, default: '1000' },
      'value-bytes': { ...text, default: '256' },
      rounds: { ...text, default: '3' },
      etcd: text,
      targets: { ...text, default: listTargets.join(',') },
      save: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const etcdCommand = etcdCommandOf(values.etcd);
  const options = {
    clients: Number(values.clients),
    keys: Number(values.keys),
    valueBytes: Number(values['value-bytes']),
    rounds: Number(values.rounds),
  };
  const wanted = values.targets.split(',');
  const names = targetNames.filter((name) => wanted.includes(name));
  const isValid =
    Object.values(options).every((value) => value > 0) && names.length === wanted.length;
  if (values.help || !isValid || etcdCommand === null) return null;
  const listOptions: ListOptions = { ...options, etcdCommand };
  return { options: listOptions, names, isSaved: values.save };
}

type Samples = ReadonlyMap<string, readonly StormSample[]>;

function middle(samples: Samples, kind: string, figure: keyof StormSample): number | null {
  const values = (samples.get(kind) ?? [])
    .map((sample) => sample[figure])
    .filter((value) => value !== null);
  return values.length === 0 ? null : median(values);
}

function ratio(
  samples: Samples,
  kind: string,
  against: string,
  figure: keyof StormSample,
): number | null {
  const [ours, theirs] = [middle(samples, kind, figure), middle(samples, against, figure)];
  return ours === null || theirs === null || theirs === 0 ? null : ours / theirs;
}

const columns: readonly (readonly [head: string, figure: keyof StormSample])[] = [
  ['last ms', 'lastMs'],
  ['p50 ms', 'p50Ms'],
  ['p99 ms', 'p99Ms'],
  ['etcd CPU ms', 'etcdCpuMs'],
  ['proxy CPU ms', 'proxyCpuMs'],
  ['both', 'cpuMs'],
  ['from etcd MiB', 'fromEtcdMiB'],
  ['requests', 'etcdRequests'],
  ['failures', 'failures'],
  ['peak MiB', 'peakMiB'],
];

function renderSamples(title: string, kinds: readonly ListKind[], samples: Samples): string {
  const head = [title, ...columns.map(([name]) => name), 'etcd CPU ×etcd', 'both ×etcd'];
  const rows = kinds
    .filter(({ name }) => samples.has(name))
    .map(({ name }) => [
      name,
      ...columns.map(([, figure]) => formatFigure(middle(samples, name, figure))),
      formatFigure(ratio(samples, name, 'etcd', 'etcdCpuMs')),
      formatFigure(ratio(samples, name, 'etcd', 'cpuMs')),
    ]);
  return renderTable(head, rows);
}

function judge(samples: Samples) {
  return bars.map((bar) => {
    const value = ratio(samples, bar.kind, bar.against, bar.figure);
    return { ...bar, value, isMet: value === null ? null : value <= bar.limit };
  });
}

function renderBars(verdicts: ReturnType<typeof judge>): string {
  return renderTable(
    ['bar', 'against', 'measured', 'at most', ''],
    verdicts.map(({ what, against, value, limit, isMet }) => [
      ...[what, against, value === null ? '–' : value.toFixed(4), `${limit}`],
      isMet === null ? '?' : isMet ? 'met' : 'MISSED',
    ]),
  );
}

/** Resolves to the exit code: 1 if a list from memory failed, or if etcd-bulkhead was not measured. */
export async function list(args: readonly string[]): Promise<number> {
  const read = readOptions(args);
  if (read === null) {
    console.log(usage);
    return args.includes('--help') ? 0 : 64;
  }
  const { options, names, isSaved } = read;
  await using processes = new Processes();
  processes.killAtExit();
  await processes.run('npm', ['run', 'build'], repository);
  const version = (await processes.run(options.etcdCommand, ['--version'])).split('\n')[0] ?? '';
  const environment = { ...(await describeEnvironment(processes)), etcd: version };
  const kinds = kindsOf(names);
  const samples = new Map<string, StormSample[]>();
  const absent = new Map<string, string>();
  for (let round = 0; round < options.rounds; round++) {
    for (const kind of rotated(kinds, round)) {
      if (absent.has(kind.name)) continue;
      try {
        const sample = await measureStorm(kind, options, processes);
        samples.set(kind.name, [...(samples.get(kind.name) ?? []), sample]);
        console.error(`round ${round + 1}, ${kind.name}: ${formatFigure(sample.lastMs)} ms`);
      } catch (error) {
        absent.set(kind.name, error instanceof Error ? error.message : String(error));
      }
    }
  }
  const { clients, keys, valueBytes } = options;
  console.log(`${version}; ${clients} clients list ${keys} keys of ${valueBytes} B at once\n`);
  console.log(renderSamples('at once', kinds, samples));
  const verdicts = judge(samples);
  console.log(`\n${renderBars(verdicts)}`);
  for (const [name, reason] of absent) console.log(`${name} was not measured: ${reason}`);
  const folder = `${repository}bench/results/${isSaved ? '' : 'local/'}`;
  mkdirSync(folder, { recursive: true });
  const document = {
    ...{ environment, options, bars: verdicts, samples: Object.fromEntries(samples) },
    absent: Object.fromEntries(absent),
  };
  writeFileSync(`${folder}list.json`, `${JSON.stringify(document, null, 2)}\n`);
  const hasFailed = kinds
    .filter(({ target }) => target === 'bulkhead-cached')
    .flatMap(({ name }) => samples.get(name) ?? [])
    .some(({ failures }) => failures > 0);
  const isAbsent = [...absent.keys()].some((name) => name.startsWith('bulkhead'));
  return hasFailed || isAbsent ? 1 : 0;
}
