/** Counts of durations in buckets that grow with the value, each at most 1 % wide. Recording allocates nothing. */

const subBuckets = 128;
const subBits = 7;
const octaves = 25;

export class Histogram {
  readonly #counts = new Float64Array(subBuckets * octaves);
  count = 0;

  /** Negative values count as 0. */
  record(value: number): void {
    this.#counts[bucketOf(value)] = (this.#counts[bucketOf(value)] ?? 0) + 1;
    this.count += 1;
  }

  clear(): void {
    this.#counts.fill(0);
    this.count = 0;
  }

  /** The upper end of the bucket with the value that `share` (0 to 1) of all values do not exceed; null without values. */
  percentile(share: number): number | null {
    const rank = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return upperEndOf(bucket);
    }
    return null;
  }
}

function bucketOf(value: number): number {
  const whole = Math.min(Math.max(0, value), 0x7fff_ffff) >>> 0;
  if (whole < subBuckets) return whole;
  const shift = 31 - Math.clz32(whole) - subBits;
  return (shift + 1) * subBuckets + ((whole >>> shift) - subBuckets);
}

function upperEndOf(bucket: number): number {
  if (bucket < subBuckets) return bucket;
  const shift = Math.floor(bucket / subBuckets) - 1;
  return ((bucket % subBuckets) + subBuckets + 1) * 2 ** shift - 1;
}
