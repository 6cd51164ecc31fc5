/** The bounds of reads from memory, which are smaller in a small container: the process must not be killed for its memory. */
import { type CacheLimits, cacheLimits } from '../cache/cache-context.ts';
import type { Config } from '../config/config.ts';
import { memoryLimit } from '../runtime/memory-limit.ts';

/** Of the container's limit: an eighth for ranges, and a sixth for responses. Workers share both. */
export function boundedCacheLimits(
  { workers }: Pick<Config, 'workers'>,
  limit = memoryLimit(),
): CacheLimits {
  const share = limit / workers;
  const processBytesMax = Math.floor(Math.min(cacheLimits.processBytesMax, share / 8));
  return {
    ...cacheLimits,
    rangeBytesMax: Math.floor(processBytesMax / 4),
    tenantBytesMax: Math.floor(processBytesMax / 2),
    processBytesMax,
    responseBytesMax: Math.floor(Math.min(cacheLimits.responseBytesMax, share / 6)),
  };
}
