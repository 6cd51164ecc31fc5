/**
 * Handles SIGTERM and SIGINT: the first signal starts a drain, the second ends the process immediately. Ctrl-C can deliver
 * a signal twice, from the terminal and from npm, so signals in quick succession count as one.
 *
 * The handlers are never removed, so that a late signal cannot interrupt the cleanup.
 */
import type { Clock } from '../runtime/clock.ts';
import { ExitCode } from './command.ts';

const sameKeystrokeMs = 500;

export class StopSignals {
  /** Resolves with the name of the first signal. */
  readonly first: Promise<string>;
  readonly #clock: Clock;
  readonly #resolve: (signal: string) => void;
  #firstAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, signals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.first = promise;
    this.#resolve = resolve;
    this.#clock = clock;
    for (const signal of signals) process.on(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    const nowMs = this.#clock.nowMs();
    if (this.#firstAtMs === Number.NEGATIVE_INFINITY) {
      this.#firstAtMs = nowMs;
      this.#resolve(signal);
    } else if (nowMs - this.#firstAtMs >= sameKeystrokeMs) {
      // Handlers of `exit` still run.
      process.exit(ExitCode.OK);
    }
  };
}
