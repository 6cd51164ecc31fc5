/**
 * Counts of calls, kept in flat arrays indexed by method, code and duration. A counter of the metrics library hashes its
 * labels on every increment, which would cost more than the rest of the layer; here an increment is an addition, and the
 * library sees the figures when somebody scrapes. Counts are exact up to 2^53.
 */
import { type RefusalName, refusals } from '../call/refusals.ts';
import { type Method, methods } from '../etcd/methods.ts';
import { Code } from '../grpc/status.ts';

/** Names as grpc-go spells them, because dashboards for etcd match on them. Indexed by code. */
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

/** A number that is no code of gRPC counts as Unknown, as grpc's own libraries treat it. */
export function codeName(code: number): string {
  return codeNames[code] ?? 'Unknown';
}

/** Upper bounds of the histogram, in seconds. */
export const bucketSeconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

const bucketMs = bucketSeconds.map((seconds) => seconds * 1000);
/** The last one takes whatever is over all bounds. */
const bucketCount = bucketSeconds.length + 1;
const codeCount = codeNames.length;

/** Figures of one method. `buckets` are not cumulative; the last one has no upper bound. */
export interface CallFigures {
  readonly method: Method;
  readonly started: number;
  /** Indexed by code. */
  readonly handled: Float64Array;
  readonly buckets: Float64Array;
  readonly secondsSum: number;
}

export class CallCounters {
  readonly #started = new Float64Array(methods.length);
  readonly #handled = new Float64Array(methods.length * codeCount);
  readonly #buckets = new Float64Array(methods.length * bucketCount);
  readonly #sumMs = new Float64Array(methods.length);
  readonly #refused = new Map<RefusalName, number>();

  started(method: Method): void {
    add(this.#started, method.index, 1);
  }

  ended(method: Method, code: number, durationMs: number): void {
    const known = code >= 0 && code < codeCount ? code : Code.UNKNOWN;
    let bucket = 0;
    while (bucket < bucketMs.length && durationMs > (bucketMs[bucket] as number)) bucket += 1;
    add(this.#handled, method.index * codeCount + known, 1);
    add(this.#buckets, method.index * bucketCount + bucket, 1);
    add(this.#sumMs, method.index, durationMs);
  }

  /** A name that is not in the table of refusals counts as nothing: labels are bounded. */
  refused(reason: string): void {
    if (!Object.hasOwn(refusals, reason)) return;
    const name = reason as RefusalName;
    this.#refused.set(name, (this.#refused.get(name) ?? 0) + 1);
  }

  /** How often each refusal was given. */
  get refusals(): ReadonlyMap<RefusalName, number> {
    return this.#refused;
  }

  /** Calls of a method that were started and have not ended. */
  open(method: Method): number {
    const handled = slice(this.#handled, method.index, codeCount);
    return (this.#started[method.index] ?? 0) - handled.reduce((sum, count) => sum + count, 0);
  }

  /** Methods that were called at least once. */
  *figures(): Iterable<CallFigures> {
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
