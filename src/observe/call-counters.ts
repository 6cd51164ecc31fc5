/**
 * Counters of calls in flat arrays, indexed by method, code and duration. A counter of the metrics library hashes its labels
 * on every increment, which would cost more than the rest of the layer. Here an increment is one addition, and the library
 * reads the counts at a scrape. Counts are exact up to 2^53.
 */
import { type RefusalName, refusals } from '../call/refusals.ts';
import { type Method, methods } from '../etcd/methods.ts';
import { Code } from '../grpc/status.ts';

/** By code. Spelled as in grpc-go, because dashboards for etcd match these names. */
export const codeNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

/** An invalid code counts as Unknown, as in gRPC libraries. */
export function codeName(code: number): string {
  return codeNames[code] ?? 'Unknown';
}

/** Upper bounds of the histogram's buckets. */
export const bucketSeconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const bucketMs = bucketSeconds.map((seconds) => seconds * 1000);
/** The last bucket has no upper bound. */
const bucketCount = bucketSeconds.length + 1;
const codeCount = codeNames.length;

/** Counts of one method. */
export interface MethodCounts {
  readonly method: Method;
  readonly started: number;
  /** By code. */
  readonly handled: Float64Array;
  /** Not cumulative. The last bucket has no upper bound. */
  readonly buckets: Float64Array;
  readonly secondsSum: number;
}

export class CallCounters {
  readonly #started = new Float64Array(methods.length);
  readonly #handled = new Float64Array(methods.length * codeCount);
  readonly #buckets = new Float64Array(methods.length * bucketCount);
  readonly #sumMs = new Float64Array(methods.length);
  readonly #rejected = new Map<RefusalName, number>();

  started(method: Method): void {
    add(this.#started, method.index, 1);
  }

  ended(method: Method, code: number, durationMs: number): void {
    const validCode = code >= 0 && code < codeCount ? code : Code.UNKNOWN;
    let bucket = 0;
    while (bucket < bucketMs.length && durationMs > (bucketMs[bucket] as number)) bucket += 1;
    add(this.#handled, method.index * codeCount + validCode, 1);
    add(this.#buckets, method.index * bucketCount + bucket, 1);
    add(this.#sumMs, method.index, durationMs);
  }

  /** Ignores reasons that are not in the table of refusals, so that labels are bounded. */
  rejected(reason: string): void {
    if (!Object.hasOwn(refusals, reason)) return;
    const name = reason as RefusalName;
    this.#rejected.set(name, (this.#rejected.get(name) ?? 0) + 1);
  }

  /** Number of rejected calls by reason. */
  get rejections(): ReadonlyMap<RefusalName, number> {
    return this.#rejected;
  }

  /** Number of calls of a method that have not ended. */
  open(method: Method): number {
    const handled = slice(this.#handled, method.index, codeCount);
    return (this.#started[method.index] ?? 0) - handled.reduce((sum, count) => sum + count, 0);
  }

  /** The counts of methods that were called at least once. */
  *counts(): Iterable<MethodCounts> {
    for (const method of methods) {
      const started = this.#started[method.index] ?? 0;
      if (started === 0) continue;
      yield {
        method,
        started,
        handled: slice(this.#handled, method.index, codeCount),
        buckets: slice(this.#buckets, method.index, bucketCount),
        secondsSum: (this.#sumMs[method.index] ?? 0) / 1000,
      };
    }
  }
}

function add(counts: Float64Array, index: number, amount: number): void {
  counts[index] = (counts[index] as number) + amount;
}

function slice(counts: Float64Array, row: number, width: number): Float64Array {
  return counts.subarray(row * width, (row + 1) * width);
}
