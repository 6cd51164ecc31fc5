/** How samples become tables and verdicts. */
import { describe, expect, test } from 'vitest';
import { judge, mediansOf, renderCase, renderVerdicts, toJson } from '../../../bench/report.ts';
import {
  type CaseResult,
  type LoadCase,
  type Sample,
  type Scenario,
  sampleOf,
} from '../../../bench/scenario.ts';
import { scenarios } from '../../../bench/scenarios/all.ts';
import { formatFigure, renderTable } from '../../../bench/table.ts';

const subject: LoadCase = {
  kind: 'load',
  name: 'put',
  operation: 'put',
  connections: 1,
  inFlightPerConnection: 1,
  requests: 10,
};

function sample(cpuUs: number, p50Us: number): Sample {
  return sampleOf({
    cpuUs,
    etcdCpuUs: 50,
    perSecond: 1000,
    p50Us,
    p99Us: 2 * p50Us,
    etcdStreams: null,
    residentMiB: 20,
    peakMiB: 30,
  });
}

const result: CaseResult = {
  case: subject,
  samples: {
    etcd: [sample(50, 100)],
    'grpc-proxy': [sample(90, 190), sample(110, 210), sample(100, 200)],
    'bulkhead-native': [sample(20, 150)],
  },
};

const cpuBar = {
  what: 'CPU',
  case: 'put',
  measure: 'cpuUs',
  against: 'grpc-proxy',
  relation: 'at most',
  limit: 0.25,
} as const;

function scenarioWith(...bars: Scenario['bars']): Scenario {
  return { name: 's', title: 'S', tls: false, excludes: [], cases: [subject], bars };
}

describe('a bar', () => {
  test('is met when the medians are in the wanted proportion', () => {
    const [verdict] = judge(scenarioWith(cpuBar), [result]);
    expect(verdict).toMatchObject({ target: 'bulkhead-native', value: 0.2, isMet: true });
  });

  test('is missed when they do not', () => {
    const [verdict] = judge(scenarioWith({ ...cpuBar, limit: 0.1 }), [result]);
    expect(verdict?.isMet).toBe(false);
  });

  test('on throughput asks for at least its limit', () => {
    const bar = { ...cpuBar, measure: 'perSecond', relation: 'at least', limit: 1.5 } as const;
    expect(judge(scenarioWith(bar), [result])[0]).toMatchObject({ value: 1, isMet: false });
  });

  test('on added latency compares what each adds to etcd alone', () => {
    const [verdict] = judge(scenarioWith({ ...cpuBar, measure: 'addedP50Us', limit: 0.75 }), [
      result,
    ]);
    expect(verdict).toMatchObject({ value: 0.5, isMet: true });
  });

  test('may compare a target with itself in another case', () => {
    const other: CaseResult = {
      case: { ...subject, name: 'few' },
      samples: { 'bulkhead-native': [sample(10, 150)] },
    };
    const bar = { ...cpuBar, against: { case: 'few' } };
    const [verdict] = judge(scenarioWith(bar), [other, result]);
    expect(verdict).toMatchObject({ target: 'bulkhead-native', value: 2, isMet: false });
    expect(judge(scenarioWith(bar), [result])[0]?.isMet).toBeNull();
  });

  test('without a peer is absolute', () => {
    const [verdict] = judge(scenarioWith({ ...cpuBar, against: null, limit: 19 }), [result]);
    expect(verdict).toMatchObject({ value: 20, isMet: false });
  });

  test('is neither met nor missed when its peer was not there', () => {
    const [verdict] = judge(scenarioWith({ ...cpuBar, against: 'haproxy' }), [result]);
    expect(verdict).toMatchObject({ value: null, isMet: null });
    expect(renderVerdicts(verdict === undefined ? [] : [verdict])).toMatch(/\?$/);
  });
});

test('medians are taken figure by figure, and what a case does not yield stays unknown', () => {
  const medians = mediansOf([sample(3, 10), sample(1, 30), { ...sample(2, 20), p99Us: null }]);
  expect(medians).toMatchObject({ cpuUs: 2, p50Us: 20, p99Us: 40 });
  expect(mediansOf([]).cpuUs).toBeNull();
});

test('a case prints a line per target, and etcd, which is not a proxy, has no CPU comparison', () => {
  const [, , etcd, peer, ours] = renderCase(result).split('\n');
  expect(etcd).toMatch(/^etcd +– +– /);
  expect(peer).toMatch(/^grpc-proxy +100 +1\.00 /);
  expect(ours).toMatch(/^bulkhead-native +20\.0 +0\.20 /);
});

test('a case that yields memory alone prints no other columns', () => {
  const memory = { ...sample(0, 0), cpuUs: null, etcdCpuUs: null, perSecond: null };
  const watches = { ...memory, p50Us: null, p99Us: null };
  const [head] = renderCase({ case: subject, samples: { etcd: [watches] } }).split('\n');
  expect(head).toMatch(/^put +RSS MiB +peak MiB$/);
});

test('a results file has every round and the missing targets', () => {
  const json = toJson(scenarioWith(cpuBar), [result], new Map([['haproxy', 'not installed']]));
  expect(json).toMatchObject({
    scenario: 's',
    absent: { haproxy: 'not installed' },
    cases: [
      { name: 'put', rounds: { 'grpc-proxy': [{ cpuUs: 90 }, { cpuUs: 110 }, { cpuUs: 100 }] } },
    ],
  });
});

test('a table aligns its figures to the right', () => {
  expect(
    renderTable(
      ['who', 'µs'],
      [
        ['a', '1'],
        ['bcde', '100'],
      ],
    ),
  ).toBe(['who    µs', '────  ───', 'a       1', 'bcde  100'].join('\n'));
});

test('figures keep three digits that say something', () => {
  expect([0.256, 12.34, 27405.4, null].map(formatFigure)).toEqual(['0.26', '12.3', '27,405', '–']);
});

describe('every scenario', () => {
  test.each([...scenarios.values()])('$name has bars on cases that it has', (scenario) => {
    const names = scenario.cases.map((each) => each.name);
    expect(new Set(names).size).toBe(names.length);
    for (const bar of scenario.bars) {
      expect(names).toContain(bar.case);
      expect(scenario.excludes).not.toContain(bar.against);
    }
  });
});
