/**
 * The phase of the process, for probes. It does not depend on etcd: a leader election must not make all sidecars of a fleet
 * unready at the same moment.
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

  /** Whether the process accepts traffic: from the last bound listener to the first signal. */
  get isReady(): boolean {
    return this.#phase === 'serving';
  }

  /** Whether all listeners have been bound. Stays true. */
  get isStarted(): boolean {
    return this.#phase !== 'starting';
  }

  /** Enters a later phase. Does nothing for the current or an earlier one, so a second signal has no effect. */
  move(to: Phase): void {
    if (order.indexOf(to) <= order.indexOf(this.#phase)) return;
    this.#phase = to;
    for (const listener of this.#listeners) listener(to);
  }

  /** Calls `listener` on every later change, until the returned function is called. */
  onChange(listener: (phase: Phase) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
