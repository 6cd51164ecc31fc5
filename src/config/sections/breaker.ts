/** Settings of the circuit breakers: one set for all tenants and breaker classes. */
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

export interface BreakerConfig {
  /** False: no breaker counts outcomes or rejects calls. */
  readonly enabled: boolean;
  readonly windowMs: number;
  /** A breaker does not open with fewer calls than this in the window. */
  readonly callsMin: number;
  /** A breaker opens when more than this percentage of the calls in the window failed. */
  readonly errorPercent: number;
  /** Initial open time. Doubles after each failed probe, up to `openMaxMs`. */
  readonly openMs: number;
  readonly openMaxMs: number;
}

export function resolveBreaker(settings: Settings, report: ProblemReporter): BreakerConfig {
  const { 'breaker-open': openMs, 'breaker-open-max': openMaxMs } = settings;
  if (openMaxMs < openMs) report('breaker-open-max', 'must be at least --breaker-open');
  return {
    enabled: settings.breaker,
    windowMs: settings['breaker-window'],
    callsMin: settings['breaker-min-calls'],
    errorPercent: settings['breaker-error-percent'],
    openMs,
    openMaxMs,
  };
}
