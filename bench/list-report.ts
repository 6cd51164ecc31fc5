/** The tables of `npm run bench -- list`, and which of its bars are met. */
import type { RepeatSample, RepeatSamples } from './measure-list-repeats.ts';
import { repeatCases } from './measure-list-repeats.ts';
import type { StormSample } from './measure-list-storm.ts';
import { median } from './statistics.ts';
import { formatFigure, renderTable } from './table.ts';

/** By the name of a kind, a sample per round. */
export type Samples<S> = ReadonlyMap<string, readonly S[]>;

type Figures<S> = { readonly [F in keyof S]: number | null };

/** A ratio of the medians of `bulkhead-cached` and of `against`. */
interface ListBar<S> {
  readonly what: string;
  readonly figure: keyof S;
  readonly against: string;
  readonly limit: number;
}

export interface ListVerdict {
  readonly what: string;
  readonly case: string;
  readonly against: string;
  readonly limit: number;
  /** Null if a target was not measured. */
  readonly value: number | null;
  readonly isMet: boolean | null;
}

const subject = 'bulkhead-cached';
const etcd = 'etcd';
export const stormName = 'at once';

const stormBars: readonly ListBar<StormSample>[] = [
  { what: 'CPU of etcd', figure: 'etcdCpuMs', against: etcd, limit: 0.02 },
  { what: 'bytes from etcd', figure: 'fromEtcdMiB', against: etcd, limit: 0.02 },
  { what: 'CPU of proxy and etcd', figure: 'cpuMs', against: etcd, limit: 0.35 },
  { what: 'CPU of proxy and etcd', figure: 'cpuMs', against: 'grpc-proxy', limit: 0.2 },
];

const repeatBars: readonly ListBar<RepeatSample>[] = [
  { what: 'p50', figure: 'p50Ms', against: etcd, limit: 0.8 },
];

type Column<S> = readonly [head: string, figure: keyof S];

const stormColumns: readonly Column<StormSample>[] = [
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

const repeatColumns: readonly Column<RepeatSample>[] = [
  ['p50 ms', 'p50Ms'],
  ['p99 ms', 'p99Ms'],
  ['lists/s', 'perSecond'],
  ['etcd CPU ms', 'etcdCpuMs'],
  ['proxy CPU ms', 'proxyCpuMs'],
  ['both', 'cpuMs'],
  ['from etcd KiB', 'fromEtcdKiB'],
  ['requests', 'etcdRequests'],
  ['failures', 'failures'],
];

function middle<S extends Figures<S>>(
  samples: Samples<S>,
  kind: string,
  figure: keyof S,
): number | null {
  const values: number[] = [];
  for (const sample of samples.get(kind) ?? []) {
    const value = sample[figure];
    if (value !== null) values.push(value);
  }
  return values.length === 0 ? null : median(values);
}

export function ratioOf<S extends Figures<S>>(
  samples: Samples<S>,
  kind: string,
  against: string,
  figure: keyof S,
): number | null {
  const [ours, theirs] = [middle(samples, kind, figure), middle(samples, against, figure)];
  return ours === null || theirs === null || theirs === 0 ? null : ours / theirs;
}

function render<S extends Figures<S>>(
  title: string,
  samples: Samples<S>,
  columns: readonly Column<S>[],
  ratios: readonly Column<S>[],
): string {
  const head = [title, ...columns.map(([name]) => name), ...ratios.map(([name]) => name)];
  const rows = [...samples]
    .filter(([, rounds]) => rounds.length > 0)
    .map(([kind]) => [
      kind,
      ...columns.map(([, figure]) => formatFigure(middle(samples, kind, figure))),
      ...ratios.map(([, figure]) => formatFigure(ratioOf(samples, kind, etcd, figure))),
    ]);
  return renderTable(head, rows);
}

export function renderStorm(samples: Samples<StormSample>): string {
  const ratios = [['etcd CPU ×etcd', 'etcdCpuMs'] as const, ['both ×etcd', 'cpuMs'] as const];
  return render(stormName, samples, stormColumns, ratios);
}

/** CPU, bytes and requests are per list. */
export function renderRepeats(samples: RepeatSamples): string {
  const ratios = [['p50 ×etcd', 'p50Ms'] as const, ['both ×etcd', 'cpuMs'] as const];
  return [...samples]
    .map(([name, ofCase]) => render(name, ofCase, repeatColumns, ratios))
    .join('\n\n');
}

function judge<S extends Figures<S>>(
  bars: readonly ListBar<S>[],
  name: string,
  samples: Samples<S>,
): readonly ListVerdict[] {
  return bars.map(({ what, figure, against, limit }) => {
    const value = ratioOf(samples, subject, against, figure);
    const isMet = value === null ? null : value <= limit;
    return { what, case: name, against, limit, value, isMet };
  });
}

export function judgeStorm(samples: Samples<StormSample>): readonly ListVerdict[] {
  return judge(stormBars, stormName, samples);
}

export function judgeRepeats(samples: RepeatSamples): readonly ListVerdict[] {
  return repeatCases.flatMap(({ name }) => judge(repeatBars, name, samples.get(name) ?? new Map()));
}

export function renderVerdicts(verdicts: readonly ListVerdict[]): string {
  return renderTable(
    ['bar', 'case', 'against', 'measured', 'at most', ''],
    verdicts.map(({ what, case: of, against, value, limit, isMet }) => [
      ...[what, of, against, value === null ? '–' : value.toFixed(4), `${limit}`],
      isMet === null ? '?' : isMet ? 'met' : 'MISSED',
    ]),
  );
}
