/** Combines the reports of workers: equal rows become one row with the numbers of its workers. */
import type { ByWorker, CountsByClass, EndpointReport } from '../admin/reports.ts';
import { mergedBy } from '../runtime/merged-by.ts';

/** The rows that one worker reports. */
export interface WorkerRows<T> {
  readonly worker: number;
  readonly rows: readonly T[];
}

/**
 * The endpoints of all workers: a row for each state of an endpoint. Connections and streams are summed. Workers probe at
 * different times, so the size of the database is the largest one.
 */
export function endpointsByWorker(
  reports: readonly WorkerRows<EndpointReport>[],
): readonly ByWorker<EndpointReport>[] {
  return mergedBy(
    rowsOf(reports),
    (row) =>
      JSON.stringify({ ...row, dbBytes: 0, connections: null, openStreams: null, workers: null }),
    (one, other) => ({
      ...other,
      dbBytes: Math.max(one.dbBytes, other.dbBytes),
      connections: sumOf(one.connections, other.connections),
      openStreams: sumOf(one.openStreams, other.openStreams),
      workers: workersOf(one, other),
    }),
  );
}

export function groupedByWorker<T>(reports: readonly WorkerRows<T>[]): readonly ByWorker<T>[] {
  return mergedBy(
    rowsOf(reports),
    (row) => JSON.stringify({ ...row, workers: null }),
    (one, other) => ({ ...one, workers: workersOf(one, other) }),
  );
}

function rowsOf<T>(reports: readonly WorkerRows<T>[]): readonly ByWorker<T>[] {
  return reports.flatMap(({ worker, rows }) => rows.map((row) => ({ ...row, workers: [worker] })));
}

/** A worker may report equal rows. */
function workersOf(one: ByWorker<unknown>, other: ByWorker<unknown>): readonly number[] {
  return [...new Set([...(one.workers ?? []), ...(other.workers ?? [])])];
}

function sumOf(one: CountsByClass, other: CountsByClass): CountsByClass {
  return {
    unary: one.unary + other.unary,
    watch: one.watch + other.watch,
    lease: one.lease + other.lease,
  };
}
