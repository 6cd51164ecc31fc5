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

/** Buckets and their counts in turn, in the order of the buckets, without empty buckets. */
export type DurationCounts = readonly number[];

export class RecentDurations {
  /** Null until the first duration, because most of many tenants may never have one. */
  #counts: Uint32Array | null = null;
  /** Where the current half begins: 0 or `durationBuckets`. */
  #current = 0;
  #endMs = Number.NEGATIVE_INFINITY;
  /** All others are empty. Most calls of a tenant take similar times, so these are few. */
  #lowest = durationBuckets;
  #highest = -1;

  /** `nowMs` is on a monotonic scale. */
  record(durationMs: number, nowMs: number): void {
    if (this.#counts === null || nowMs >= this.#endMs) this.#advance(nowMs);
    const counts = this.#counts as unknown as Uint32Array;
    const bucket = bucketOf(durationMs);
    if (bucket < this.#lowest) this.#lowest = bucket;
    if (bucket > this.#highest) this.#highest = bucket;
    const at = this.#current + bucket;
    counts[at] = (counts[at] as number) + 1;
  }

  recent(nowMs: number): DurationCounts {
    const recent: number[] = [];
    if (this.#counts === null) return recent;
    if (nowMs >= this.#endMs) this.#advance(nowMs);
    for (let bucket = this.#lowest; bucket <= this.#highest; bucket++) {
      const count =
        (this.#counts[bucket] as number) + (this.#counts[bucket + durationBuckets] as number);
      if (count > 0) recent.push(bucket, count);
    }
    return recent;
  }

  #advance(nowMs: number): void {
    this.#counts ??= new Uint32Array(2 * durationBuckets);
    if (nowMs - this.#endMs >= halfMs) {
      this.#counts.fill(0);
      this.#lowest = durationBuckets;
      this.#highest = -1;
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

/** Of two processes. */
export function sumOfDurations(one: DurationCounts, other: DurationCounts): DurationCounts {
  const sum: number[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    const bucket = Math.min(one[i] ?? durationBuckets, other[j] ?? durationBuckets);
    let count = 0;
    if (one[i] === bucket) {
      count += one[i + 1] as number;
      i += 2;
    }
    if (other[j] === bucket) {
      count += other[j + 1] as number;
      j += 2;
    }
    sum.push(bucket, count);
  }
  return sum;
}

/** The duration in milliseconds that the share `quantile` of calls does not exceed. Null without calls. */
export function durationQuantile(durations: DurationCounts, quantile: number): number | null {
  let total = 0;
  for (let i = 1; i < durations.length; i += 2) total += durations[i] as number;
  if (total === 0) return null;
  const rank = Math.max(Math.ceil(quantile * total), 1);
  let below = 0;
  for (let i = 0; i + 1 < durations.length; i += 2) {
    const [bucket, count] = [durations[i] as number, durations[i + 1] as number];
    if (below + count >= rank) {
      const lower = lowerBound(bucket);
      return lower + ((lowerBound(bucket + 1) - lower) * (rank - below - 0.5)) / count;
    }
    below += count;
  }
  return null;
}
