/** Which calls the access log contains. */
import type { Settings } from '../schema.ts';
import type { AccessLogMode } from '../settings/operation.ts';

export interface AccessLogConfig {
  readonly mode: AccessLogMode;
  /** A unary call that takes this long is slow. */
  readonly slowMs: number;
  /** One of this many other calls is logged. */
  readonly sampleOneOf: number;
  /** Of errors and slow calls, and again of all other lines. Per process. */
  readonly linesPerSecondMax: number;
}

export function resolveAccessLog(settings: Settings): AccessLogConfig {
  return {
    mode: settings['access-log'] as AccessLogMode,
    slowMs: settings['access-log-slow'],
    sampleOneOf: settings['access-log-sample'],
    linesPerSecondMax: settings['access-log-rate'],
  };
}
