/** Performs the actions of the admin address in every worker, and repeats forced states in workers that start later. */
import type { Action, ActionResult } from '../admin/actions.ts';
import type { WorkerProcess } from './worker-process.ts';

export class WorkerActions {
  readonly #timeoutMs: number;
  /** The forced states, by what they concern. */
  readonly #forced = new Map<string, Action>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  async perform(action: Action, processes: readonly WorkerProcess[]): Promise<ActionResult> {
    const serving = processes.filter(({ isServing }) => isServing);
    const results = await Promise.all(serving.map((each) => each.perform(action, this.#timeoutMs)));
    const known = results.filter((each) => each !== null);
    const [first = { outcome: 'done', note: '' }] = known;
    const failed = known.find(({ outcome }) => outcome !== 'done');
    if (failed !== undefined) return failed;
    const key = keyOf(action);
    if (action.state === 'auto') this.#forced.delete(key);
    else this.#forced.set(key, action);
    const silent = serving.length - known.length;
    const missing = silent === 0 ? '' : `${silent} of ${serving.length} workers do not respond`;
    const notes = [missing, ...known.map(({ note }) => note)].filter((each) => each !== '');
    return { ...first, note: [...new Set(notes)].join('; ') };
  }

  /** `started` is a new worker. It receives the forced states as soon as it serves. */
  applyTo(started: WorkerProcess): void {
    started.serving.then(
      async () => {
        for (const action of this.#forced.values()) await started.perform(action, this.#timeoutMs);
      },
      () => {},
    );
  }
}

function keyOf(action: Action): string {
  return action.kind === 'breaker'
    ? `breaker ${action.breaker} ${action.tenant}`
    : `endpoint ${action.endpoint}`;
}
