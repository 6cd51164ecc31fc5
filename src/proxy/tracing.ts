/** Loads tracing if a collector is configured. Otherwise nothing of it is in memory. */
import type { TracingConfig } from '../config/sections/tracing.ts';
import type { Logger } from '../observe/logger.ts';
import type { Tracing } from '../observe/tracing/tracing.ts';
import type { Clock } from '../runtime/clock.ts';

export async function loadTracing(
  config: TracingConfig | null,
  clock: Clock,
  logger: Logger,
): Promise<Tracing | null> {
  if (config === null) return null;
  const { Tracing } = await import('../observe/tracing/tracing.ts');
  return new Tracing(config, clock, logger);
}
