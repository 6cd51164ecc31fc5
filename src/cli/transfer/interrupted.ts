/** Ends the work of a command at the first signal, so that the command can clean up. */
import { systemClock } from '../../runtime/clock.ts';
import { StopSignals } from '../stop-signals.ts';

let signals: StopSignals | null = null;

/** Resolves with the name of the first SIGTERM or SIGINT of the process. */
export function firstSignal(): Promise<string> {
  signals ??= new StopSignals(systemClock);
  return signals.first;
}

/** Settles as `work` does, or rejects at the first signal. Then `work` still runs until the process exits. */
export function interrupted<T>(work: Promise<T>): Promise<T> {
  const stopped = firstSignal().then((signal) => {
    throw new Error(`interrupted by ${signal}`);
  });
  return Promise.race([work, stopped]);
}
