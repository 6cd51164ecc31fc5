/**
 * SIGTERM and SIGINT: the first asks for a drain, the second ends the process where it stands. A terminal's Ctrl-C may
 * reach us twice, from the terminal itself and from npm in between, so what follows at once is not a second one.
 *
 * Once listened to, signals are ours until the process ends: nothing that still has to be put away may be cut short.
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
      // Whoever signals twice does not want to wait. Handlers of `exit` still run.
      process.exit(ExitCode.OK);
    }
  };
}
