/** The probes of the admin address, for a process alone and for one with workers. None depends on etcd. */
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { WorkerReport } from './reports.ts';

export interface ProbeResult {
  readonly passes: boolean;
  /** One line. */
  readonly text: string;
  readonly checks: readonly { readonly name: string; readonly passes: boolean }[];
}

/** That this response arrives proves that the event loop of this process runs. A worker must not be hung. */
export function liveness(workers: readonly WorkerReport[]): ProbeResult {
  const checks = workers.map(({ worker, state }) => ({
    name: `worker ${worker} is not hung`,
    passes: state !== 'hung',
  }));
  const hung = workers.filter(({ state }) => state === 'hung');
  const passes = hung.length === 0;
  return { passes, text: passes ? 'ok' : `hung: worker ${namesOf(hung)}`, checks };
}

/** Whether all listeners were bound, by every worker. Stays true. */
export function startup({ isStarted }: Lifecycle): ProbeResult {
  return {
    passes: isStarted,
    text: isStarted ? 'ok' : 'starting',
    checks: [{ name: 'started', passes: isStarted }],
  };
}

/** Whether the process accepts traffic, with every worker. */
export function readiness(lifecycle: Lifecycle, workers: readonly WorkerReport[]): ProbeResult {
  const waiting = workers.filter(({ state }) => state !== 'serving');
  const checks = [
    { name: 'started', passes: lifecycle.isStarted },
    { name: 'not draining', passes: lifecycle.phase === 'starting' || lifecycle.isReady },
    ...workers.map(({ worker, state }) => ({
      name: `worker ${worker} serves`,
      passes: state === 'serving',
    })),
  ];
  if (!lifecycle.isReady) return { passes: false, text: lifecycle.phase, checks };
  const passes = waiting.length === 0;
  return { passes, text: passes ? 'ok' : `not serving: worker ${namesOf(waiting)}`, checks };
}

function namesOf(workers: readonly WorkerReport[]): string {
  return workers.map(({ worker }) => worker).join(', ');
}
