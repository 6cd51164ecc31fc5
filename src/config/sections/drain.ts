/** The phases of shutdown. They must fit into one another. */
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';
import { formatDuration } from '../values.ts';

export interface DrainConfig {
  /** After the signal, the proxy is not ready but accepts new calls for this long. */
  readonly minMs: number;
  /** Open watch streams are ended over this time, so that their clients do not reconnect in one burst. */
  readonly windowMs: number;
  /** Remaining calls are aborted after this time. At least `minMs + windowMs`. */
  readonly maxMs: number;
}

export function resolveDrain(settings: Settings, report: ProblemReporter): DrainConfig {
  const { 'min-drain': minMs, 'drain-window': windowMs, 'max-drain': maxMs } = settings;
  if (maxMs < minMs + windowMs) {
    const least = formatDuration(minMs + windowMs);
    report('max-drain', `must be at least ${least}, the sum of --min-drain and --drain-window`);
  }
  return { minMs, windowMs, maxMs };
}
