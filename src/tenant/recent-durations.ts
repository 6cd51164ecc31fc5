/**
 * How long the calls of about the last minute took: a histogram of two halves, of which the older one is discarded every 30 s.
 * Buckets are a quarter of a power of two wide, so a percentile is off by at most an eighth. Recording a duration is one
 * addition: the bucket is the exponent of the number and the two bits that follow it.
 */

const halfMs = 30_000;
/** The bits of 2^-4 as a 32-bit floating point number, without all but two bits of the fraction. */
const lowestBits = (127 - 4) << 2;
/** From 2^-4 ms to 2^17 ms, which is 131 s, and one bucket for shorter durations. The last bucket has no upper bound. */
export const durationBuckets = 1 + 21 * 4;
/** Fraction bits of a 32-bit floating point number, except the two that count. */
const droppedBits = 21;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

export class RecentDurations {
  /** Null until the first duration, because most of many tenants may never have one. */
  #counts: Uint32Array | null = null;
  /** Where the current half begins: 0 or `durationBuckets`. */
  #current = 0;
  #endMs = Number.NEGATIVE_INFINITY;

  /** `nowMs` is on a monotonic scale. */
  record(durationMs: number, nowMs: number): void {
    if (this.#counts === null || nowMs >= this.#endMs) this.#advance(nowMs);
    const counts = this.#counts as unknown as Uint32Array;
    const at = this.#current + bucketOf(durationMs);
    counts[at] = (counts[at] as number) + 1;
  }

  /** The buckets that are not empty, as pairs of the bucket and its count. */
  recent(nowMs: number): readonly number[] {
    const pairs: number[] = [];
    if (this.#counts === null) return pairs;
    if (nowMs >= this.#endMs) this.#advance(nowMs);
    for (let bucket = 0; bucket < durationBuckets; bucket++) {
      const count =
        (this.#counts[bucket] as number) + (this.#counts[bucket + durationBuckets] as number);
      if (count > 0) pairs.push(bucket, count);
    }
    return pairs;
  }

  #advance(nowMs: number): void {
    this.#counts ??= new Uint32Array(2 * durationBuckets);
    if (nowMs - this.#endMs >= halfMs) {
      this.#counts.fill(0);
      this.#endMs = nowMs + halfMs;
    } else {
      this.#current = durationBuckets - this.#current;
      this.#counts.fill(0, this.#current, this.#current + durationBuckets);
      this.#endMs += halfMs;
    }
  }
}

function bucketOf(durationMs: number): number {
  float[0] = durationMs;
  const bucket = ((bits[0] as number) >>> droppedBits) - lowestBits + 1;
  if (bucket < 1) return 0;
  return bucket < durationBuckets ? bucket : durationBuckets - 1;
}

/** The shortest duration of a bucket, in milliseconds. */
function lowerBound(bucket: number): number {
  if (bucket === 0) return 0;
  const quarters = bucket - 1;
  return 2 ** (Math.floor(quarters / 4) - 4) * (1 + (quarters % 4) / 4);
}

/**
 * The duration in milliseconds that the share `quantile` of calls does not exceed, from the pairs of `recent`. Pairs of several
 * processes may follow each other. Null without calls.
 */
export function durationQuantile(pairs: readonly number[], quantile: number): number | null {
  const counts = new Float64Array(durationBuckets);
  let total = 0;
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [bucket, count] = [pairs[i] as number, pairs[i + 1] as number];
    counts[bucket] = (counts[bucket] ?? 0) + count;
    total += count;
  }
  if (total === 0) return null;
  const rank = Math.max(Math.ceil(quantile * total), 1);
  let below = 0;
  let bucket = 0;
  while (below + (counts[bucket] as number) < rank) {
    below += counts[bucket] as number;
    bucket += 1;
  }
  const share = (rank - below - 0.5) / (counts[bucket] as number);
  const lower = lowerBound(bucket);
  return lower + (lowerBound(bucket + 1) - lower) * share;
}
