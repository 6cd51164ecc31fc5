import { expect, test } from 'vitest';
import { mergedAdvice, type TenantAdvice } from '../../../../src/observe/advice/report.ts';

const report = (calls: number, since: string): TenantAdvice => ({
  tenant: 'a',
  seconds: calls,
  keys: [{ key: 'k', calls, bytes: calls * 10 }],
  prefixes: [{ prefix: `p${calls}/`, calls, bytes: 1 }],
  findings: [
    {
      name: 'large-values',
      subject: 'k',
      since,
      figures: { perMinute: calls, largestBytes: calls, percentOfCalls: calls },
      text: 'text',
    },
  ],
});

test('the reports of two workers are one: calls and rates are summed, and maxima are kept', () => {
  const other = { ...report(1, '2026-01-01T00:00:00.000Z'), tenant: 'b' };
  expect(
    mergedAdvice([
      [report(20, '2026-01-02T00:00:00.000Z'), other],
      [report(30, '2026-01-01T00:00:00.000Z')],
    ]),
  ).toEqual([
    {
      tenant: 'a',
      seconds: 30,
      keys: [{ key: 'k', calls: 50, bytes: 500 }],
      prefixes: [
        { prefix: 'p30/', calls: 30, bytes: 1 },
        { prefix: 'p20/', calls: 20, bytes: 1 },
      ],
      findings: [
        {
          name: 'large-values',
          subject: 'k',
          since: '2026-01-01T00:00:00.000Z',
          figures: { perMinute: 50, largestBytes: 30, percentOfCalls: 30 },
          text: 'text',
        },
      ],
    },
    other,
  ]);
});
