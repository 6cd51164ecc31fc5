import { describe, expect, test } from 'vitest';
import type { TenantReport } from '../../../src/admin/reports.ts';
import { WorkerTenants } from '../../../src/workers/worker-tenants.ts';

function report(parts: Partial<TenantReport> = {}): TenantReport {
  return {
    ...{ tenant: 'a', namespace: 'a/', calls: 10, errors: 1, refused: 1, requestBytes: 100 },
    ...{ responseBytes: 200, durations: [3, 5], openCalls: 1, streams: 2, watches: 3, feeds: 1 },
    ...{ leases: 2, breakers: [], limits: [], ...parts },
  };
}

describe('the tenants of several workers', () => {
  test('are summed, with the worst state of each breaker', () => {
    const tenants = new WorkerTenants();
    const limit = { name: 'max-open-calls', used: 3, limit: 10, refused: 1 };
    const open = { class: 'write', state: 'open', forced: false } as const;
    const half = { class: 'write', state: 'half-open', forced: false } as const;
    tenants.collected(1, [report({ limits: [limit], breakers: [half] }), report({ tenant: 'b' })]);
    tenants.collected(2, [report({ limits: [limit], breakers: [open] }), report({ tenant: 'b' })]);
    const [a, b] = tenants.merged();
    expect(a).toEqual({
      ...{ tenant: 'a', namespace: 'a/', calls: 20, errors: 2, refused: 2, requestBytes: 200 },
      ...{ responseBytes: 400, durations: [3, 10], openCalls: 2, streams: 4, watches: 6 },
      ...{ feeds: 2, leases: 4, breakers: [open] },
      limits: [{ name: 'max-open-calls', used: 6, limit: 20, refused: 2 }],
    });
    expect(b).toMatchObject({ tenant: 'b', calls: 20, leases: 4 });
  });

  test('keep the counts of a worker that has ended, and not what was open there', () => {
    const tenants = new WorkerTenants();
    tenants.collected(1, [report()]);
    tenants.collected(2, [report()]);
    tenants.ended(1);
    expect(tenants.merged()).toMatchObject([{ calls: 20, openCalls: 1, watches: 3 }]);
    tenants.collected(1, [report({ calls: 1 })]);
    expect(tenants.merged()).toMatchObject([{ calls: 21, openCalls: 2 }]);
  });

  test('keep the last report of a worker that does not respond', () => {
    const tenants = new WorkerTenants();
    tenants.collected(1, [report()]);
    tenants.collected(2, [report()]);
    tenants.collected(2, [report({ calls: 12 })]);
    expect(tenants.merged()).toMatchObject([{ calls: 22 }]);
  });

  test('that a reload has removed are forgotten', () => {
    const tenants = new WorkerTenants();
    tenants.collected(1, [report(), report({ tenant: 'b' })]);
    tenants.ended(1);
    tenants.collected(1, [report(), report({ tenant: 'b' })]);
    tenants.retain(new Set(['b']));
    expect(tenants.merged()).toMatchObject([{ tenant: 'b', calls: 20 }]);
    tenants.retain(new Set());
    tenants.collected(1, [report()]);
    expect(tenants.merged()).toMatchObject([{ calls: 10 }]);
  });
});
