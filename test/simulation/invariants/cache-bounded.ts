/** Ranges in memory are bounded, each of them, per tenant and in the process, and nothing of them is left at the end. */
import type { CacheContext } from '../../../src/cache/cache-context.ts';
import type { Upstream } from '../upstream.ts';
import type { Report } from './invariant.ts';

/** After every turn. */
export function checkCacheBounded(
  { memory, stats, limits }: CacheContext,
  tenants: number,
  report: Report,
): void {
  const { rangeBytesMax, tenantBytesMax, processBytesMax } = limits;
  const { bytes } = memory;
  const { ranges } = stats;
  const bytesMax = Math.min(ranges * rangeBytesMax, tenants * tenantBytesMax, processBytesMax);
  if (bytes > bytesMax) report(`bounded: ${bytes} bytes of ${ranges} ranges, ${bytesMax} at most`);
  if (bytes < 0 || ranges < 0) report(`bounded: ${bytes} bytes of ${ranges} ranges`);
}

export function checkCacheNoLeak(
  { memory, stats, deadlines }: CacheContext,
  upstream: Upstream,
  report: Report,
): void {
  const left = Object.entries({
    ranges: stats.ranges,
    'bytes of ranges': memory.bytes,
    deadlines: deadlines.count,
    'upstream calls': upstream.openCalls,
  }).filter(([, count]) => count !== 0);
  if (left.length > 0) {
    report(`no leak: left are ${left.map(([what, count]) => `${count} ${what}`).join(', ')}`);
  }
}
