/** Turns samples into reports: medians per target, ratios, bars met or missed, as tables and as JSON. */
import type { Bar, CaseResult, Figure, Measure, Sample, Scenario, TargetName } from './scenario.ts';
import { figures, sampleOf, targetNames } from './scenario.ts';
import { median } from './statistics.ts';
import { formatFigure, renderTable } from './table.ts';

export type Medians = Sample;

/** The median of each figure, so the figures may come from different rounds. */
export function mediansOf(samples: readonly Sample[]): Medians {
  const middle = (figure: Figure): number | null => {
    const values = samples.map((sample) => sample[figure]).filter((value) => value !== null);
    return values.length === 0 ? null : median(values);
  };
  return sampleOf(Object.fromEntries(figures.map((figure) => [figure, middle(figure)])));
}

function ratio(ours: number | null, theirs: number | null): number | null {
  return ours === null || theirs === null || theirs <= 0 ? null : ours / theirs;
}

function measureOf(measure: Measure, result: CaseResult, target: TargetName): number | null {
  const samples = result.samples[target];
  if (samples === undefined) {
    return null;
  }
  const medians = mediansOf(samples);
  if (measure !== 'addedP50Us') {
    return medians[measure];
  }
  const direct = measureOf('p50Us', result, 'etcd');
  return medians.p50Us === null || direct === null ? null : medians.p50Us - direct;
}

/** A bar and the result of one target of etcd-bulkhead. `value` is null if a figure is missing. */
export interface Verdict extends Bar {
  readonly target: TargetName;
  readonly value: number | null;
  readonly isMet: boolean | null;
}

export function judge(scenario: Scenario, results: readonly CaseResult[]): readonly Verdict[] {
  return results.flatMap((result) =>
    scenario.bars
      .filter((bar) => bar.case === result.case.name)
      .flatMap((bar) =>
        targetNames
          .filter((name) => name.startsWith('bulkhead') && name !== bar.against)
          .filter((name) => result.samples[name] !== undefined)
          .map((target) => verdict(bar, target, result, results)),
      ),
  );
}

function verdict(
  bar: Bar,
  target: TargetName,
  result: CaseResult,
  results: readonly CaseResult[],
): Verdict {
  const ours = measureOf(bar.measure, result, target);
  const { against } = bar;
  const isOtherCase = typeof against === 'object' && against !== null;
  const base = isOtherCase ? results.find((each) => each.case.name === against.case) : result;
  const baseTarget = isOtherCase ? target : against;
  const value =
    baseTarget === null
      ? ours
      : ratio(ours, base === undefined ? null : measureOf(bar.measure, base, baseTarget));
  const isMet =
    value === null ? null : bar.relation === 'at most' ? value <= bar.limit : value >= bar.limit;
  return { ...bar, target, value, isMet };
}

/**
 * One case: a line per target, with the important ratios next to their figures. Columns that are empty for this kind of
 * case are omitted.
 */
export function renderCase(result: CaseResult): string {
  const present = targetNames.filter((name) => result.samples[name] !== undefined);
  const cpu = (name: TargetName) => (name === 'etcd' ? null : measureOf('cpuUs', result, name));
  const columns: readonly (readonly [head: string, cell: (name: TargetName) => number | null])[] = [
    ['CPU µs', cpu],
    ['×grpc-proxy', (name) => ratio(cpu(name), cpu('grpc-proxy'))],
    ['×haproxy', (name) => ratio(cpu(name), cpu('haproxy'))],
    ['etcd CPU µs', (name) => measureOf('etcdCpuUs', result, name)],
    ['per s', (name) => measureOf('perSecond', result, name)],
    [
      '×etcd',
      (name) => ratio(measureOf('perSecond', result, name), measureOf('perSecond', result, 'etcd')),
    ],
    ['reached/s', (name) => measureOf('reachedPerSecond', result, name)],
    ['p50 µs', (name) => measureOf('p50Us', result, name)],
    ['added µs', (name) => (name === 'etcd' ? null : measureOf('addedP50Us', result, name))],
    ['p99 µs', (name) => measureOf('p99Us', result, name)],
    ['etcd B', (name) => measureOf('etcdBytes', result, name)],
    ['requests', (name) => measureOf('upstreamRequests', result, name)],
    ['etcd streams', (name) => measureOf('etcdStreams', result, name)],
    ['lost', (name) => measureOf('lostEvents', result, name)],
    ['KiB each', (name) => measureOf('watcherKiB', result, name)],
    ['RSS MiB', (name) => measureOf('residentMiB', result, name)],
    ['peak MiB', (name) => measureOf('peakMiB', result, name)],
  ];
  const known = columns.filter(([, cell]) => present.some((name) => cell(name) !== null));
  return renderTable(
    [result.case.name, ...known.map(([head]) => head)],
    present.map((name) => [name, ...known.map(([, cell]) => formatFigure(cell(name)))]),
  );
}

export function renderVerdicts(verdicts: readonly Verdict[]): string {
  const met = (isMet: boolean | null) => (isMet === null ? '?' : isMet ? 'met' : 'MISSED');
  return renderTable(
    ['what', 'case', 'target', 'measured', 'bar', 'against', ''],
    verdicts.map((each) => [
      each.what,
      each.case,
      each.target,
      formatFigure(each.value),
      `${each.relation === 'at most' ? '≤' : '≥'} ${each.limit}`,
      typeof each.against === 'string' ? each.against : (each.against?.case ?? 'absolute'),
      met(each.isMet),
    ]),
  );
}

/** The content of a results file, except for the environment. */
export function toJson(
  scenario: Scenario,
  results: readonly CaseResult[],
  absent: ReadonlyMap<TargetName, string>,
): object {
  return {
    scenario: scenario.name,
    title: scenario.title,
    absent: Object.fromEntries(absent),
    bars: judge(scenario, results),
    cases: results.map((result) => ({
      ...result.case,
      medians: Object.fromEntries(
        Object.entries(result.samples).map(([name, samples]) => [
          name,
          roundedFigures(mediansOf(samples)),
        ]),
      ),
      rounds: Object.fromEntries(
        Object.entries(result.samples).map(([name, samples]) => [
          name,
          samples.map(roundedFigures),
        ]),
      ),
    })),
  };
}

/** Rounded to a hundredth: smaller differences are noise. */
function roundedFigures(sample: Medians): Medians {
  const rounded = (value: number | null) => (value === null ? null : Math.round(value * 100) / 100);
  return sampleOf(Object.fromEntries(figures.map((figure) => [figure, rounded(sample[figure])])));
}
