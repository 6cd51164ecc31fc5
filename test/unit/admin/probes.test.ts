import { describe, expect, test } from 'vitest';
import { liveness, readiness, startup } from '../../../src/admin/probes.ts';
import type { WorkerReport, WorkerState } from '../../../src/admin/reports.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';

function workers(...states: WorkerState[]): readonly WorkerReport[] {
  return states.map((state, index) => ({
    worker: index + 1,
    pid: index + 100,
    state,
    restarts: 0,
    hash: '',
  }));
}

function serving(): Lifecycle {
  const lifecycle = new Lifecycle();
  lifecycle.move('serving');
  return lifecycle;
}

describe('probes of a process with workers', () => {
  test('it is ready if every worker serves', () => {
    expect(readiness(serving(), workers('serving', 'serving'))).toMatchObject({
      passes: true,
      text: 'ok',
    });
    for (const state of ['starting', 'hung', 'ended'] as const) {
      expect(readiness(serving(), workers('serving', state))).toMatchObject({
        passes: false,
        text: 'not serving: worker 2',
        checks: expect.arrayContaining([
          { name: 'worker 1 serves', passes: true },
          { name: 'worker 2 serves', passes: false },
        ]),
      });
    }
  });

  test('it is not ready before and after it serves, whatever the workers do', () => {
    const lifecycle = new Lifecycle();
    expect(startup(lifecycle)).toMatchObject({ passes: false, text: 'starting' });
    expect(readiness(lifecycle, workers('serving'))).toMatchObject({ text: 'starting' });
    lifecycle.move('draining');
    expect(readiness(lifecycle, workers('serving'))).toMatchObject({
      passes: false,
      text: 'draining',
    });
    expect(startup(lifecycle).passes).toBe(true);
  });

  test('it is live unless a worker is hung', () => {
    expect(liveness([])).toMatchObject({ passes: true, text: 'ok' });
    expect(liveness(workers('starting', 'ended', 'serving'))).toMatchObject({ passes: true });
    expect(liveness(workers('hung', 'serving', 'hung'))).toMatchObject({
      passes: false,
      text: 'hung: worker 1, 3',
    });
  });
});
