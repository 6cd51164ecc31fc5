/** The arithmetic of results: median and percentile. */

function ascending(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}

/** The middle value; of an even number of values, the mean of the middle two. Throws a RangeError for an empty list. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  if (upper === undefined || lower === undefined) {
    throw new RangeError('the median of no values');
  }
  return (lower + upper) / 2;
}

/**
 * The smallest value that at least `share` (0 to 1) of all values do not exceed (nearest rank, no interpolation, so that
 * it is always a value that occurred). Throws a RangeError for an empty list.
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = ascending(values);
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) {
    throw new RangeError('a percentile of no values');
  }
  return value;
}

/** `items` rotated by `by`, so that each round begins with another target. */
export function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
