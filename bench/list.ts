/**
 * `npm run bench -- list`: what lists of a watched range cost, direct, through grpc-proxy, and from the proxy's memory. Many
 * clients list at the same time, as when a fleet starts, and a client lists again and again.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeEnvironment } from './environment.ts';
import { etcdOfLine } from './etcd-releases.ts';
import {
  judgeRepeats,
  judgeStorm,
  renderRepeats,
  renderStorm,
  renderVerdicts,
} from './list-report.ts';
import type { ListKind, ListOptions } from './list-world.ts';
import { measureRepeats, type RepeatSample } from './measure-list-repeats.ts';
import { measureStorm, type StormSample } from './measure-list-storm.ts';
import { Processes } from './processes.ts';
import { type TargetName, targetNames } from './scenario.ts';
import { rotated } from './statistics.ts';
import { formatFigure } from './table.ts';

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
  --seconds S      length of a round of repeated lists (default 5)
  --writes W       writes per second in the cases with writes (default 20)
  --parts P,Q      only these of: at-once, repeats (default: both)
  --etcd LINE      release line of etcd that npm run test:versions has built, or "path" for the one on the
                   PATH (default: 3.5 if it is built)
  --targets A,B    only these of: ${targetNames.join(', ')}
                   (default: ${listTargets.join(', ')})
  --save           write to bench/results/, to be committed, instead of bench/results/local/
`;

const repository = fileURLToPath(new URL('..', import.meta.url));

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
      seconds: { ...text, default: '5' },
      writes: { ...text, default: '20' },
      parts: { ...text, default: 'at-once,repeats' },
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
    seconds: Number(values.seconds),
    writesPerSecond: Number(values.writes),
  };
  const parts = values.parts.split(',');
  const wanted = values.targets.split(',');
  const names = targetNames.filter((name) => wanted.includes(name));
  const isValid =
    Object.values(options).every((value) => value > 0) &&
    names.length === wanted.length &&
    parts.every((part) => part === 'at-once' || part === 'repeats');
  if (values.help || !isValid || etcdCommand === null) return null;
  const listOptions: ListOptions = { ...options, etcdCommand };
  return { options: listOptions, names, parts, isSaved: values.save };
}

type Absent = Map<string, string>;

async function measureStorms(
  kinds: readonly ListKind[],
  options: ListOptions,
  processes: Processes,
  absent: Absent,
): Promise<Map<string, StormSample[]>> {
  const samples = new Map(kinds.map(({ name }) => [name, [] as StormSample[]]));
  for (let round = 0; round < options.rounds; round++) {
    for (const kind of rotated(kinds, round)) {
      if (absent.has(kind.name)) continue;
      try {
        const sample = await measureStorm(kind, options, processes);
        samples.get(kind.name)?.push(sample);
        console.error(`round ${round + 1}, ${kind.name}: ${formatFigure(sample.lastMs)} ms`);
      } catch (error) {
        absent.set(kind.name, error instanceof Error ? error.message : String(error));
      }
    }
  }
  return samples;
}

/** Resolves to the exit code: 1 if a list from memory failed, or if etcd-bulkhead was not measured. */
export async function list(args: readonly string[]): Promise<number> {
  const read = readOptions(args);
  if (read === null) {
    console.log(usage);
    return args.includes('--help') ? 0 : 64;
  }
  const { options, names, parts, isSaved } = read;
  await using processes = new Processes();
  processes.killAtExit();
  await processes.run('npm', ['run', 'build'], repository);
  // Saved results name the release, and not the path of its program.
  const { etcdCommand, ...shape } = options;
  const version = (await processes.run(etcdCommand, ['--version'])).split('\n')[0] ?? '';
  const environment = { ...(await describeEnvironment(processes)), etcd: version };
  const { clients, keys, valueBytes } = shape;
  console.log(`${version}; ${clients} clients, ${keys} keys of ${valueBytes} B\n`);
  const kinds = kindsOf(names);
  const absent: Absent = new Map();
  const storms = parts.includes('at-once')
    ? await measureStorms(kinds, options, processes, absent)
    : new Map<string, StormSample[]>();
  if (storms.size > 0) console.log(`${renderStorm(storms)}\n`);
  const repeats = parts.includes('repeats')
    ? await measureRepeats(kinds, options, processes, absent)
    : new Map<string, Map<string, RepeatSample[]>>();
  if (repeats.size > 0) {
    console.log(`${renderRepeats(repeats)}\n\n${options.writesPerSecond} writes/s\n`);
  }
  const verdicts = [
    ...(storms.size > 0 ? judgeStorm(storms) : []),
    ...(repeats.size > 0 ? judgeRepeats(repeats) : []),
  ];
  console.log(renderVerdicts(verdicts));
  for (const [name, reason] of absent) console.log(`${name} was not measured: ${reason}`);
  const folder = `${repository}bench/results/${isSaved ? '' : 'local/'}`;
  mkdirSync(folder, { recursive: true });
  const document = {
    ...{ environment, options: shape, bars: verdicts, absent: Object.fromEntries(absent) },
    atOnce: Object.fromEntries(storms),
    repeats: Object.fromEntries(
      Array.from(repeats, ([name, ofCase]) => [name, Object.fromEntries(ofCase)]),
    ),
  };
  writeFileSync(`${folder}list.json`, `${JSON.stringify(document, null, 2)}\n`);
  const isOurs = (name: string) => name.startsWith('bulkhead');
  const hasFailed = [storms, ...repeats.values()].some((samples) =>
    [...samples].some(
      ([name, rounds]) =>
        name.startsWith('bulkhead-cached') && rounds.some(({ failures }) => failures > 0),
    ),
  );
  return hasFailed || [...absent.keys()].some(isOurs) ? 1 : 0;
}
