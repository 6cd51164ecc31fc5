/**
 * What this process is doing, as probes see it. It says nothing about etcd: an election must not make every sidecar of a
 * fleet unready at the same moment.
 */

/** starting ─listeners bound→ serving ─signal→ draining ─streams are ended→ stopping */
export type Phase = 'starting' | 'serving' | 'draining' | 'stopping';

const order: readonly Phase[] = ['starting', 'serving', 'draining', 'stopping'];

export class Lifecycle {
  #phase: Phase = 'starting';
  readonly #listeners = new Set<(phase: Phase) => void>();

  get phase(): Phase {
    return this.#phase;
  }

  /** Takes traffic. True from the last bound listener to the first signal. */
  get isReady(): boolean {
    return this.#phase === 'serving';
  }

  /** Has taken traffic, and may still. */
  get isStarted(): boolean {
    return this.#phase !== 'starting';
  }

  /** Moves on. A phase that has passed does not come back, so a second signal changes nothing here. */
  move(to: Phase): void {
    if (order.indexOf(to) <= order.indexOf(this.#phase)) return;
    this.#phase = to;
    for (const listener of this.#listeners) listener(to);
  }

  /** Calls `listener` on every later change; the function it returns ends that. */
  onChange(listener: (phase: Phase) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
