/** Combines the reports of workers: equal rows become one row with the numbers of its workers. */
import type { ByWorker, CountsByClass, EndpointReport } from '../admin/reports.ts';

/**
 * The endpoints of all workers: a row for each state of an endpoint. Connections and streams are summed. Workers probe at
 * different times, so the size of the database is the largest one.
 */
export function endpointsByWorker(
  reports: readonly { readonly worker: number; readonly rows: readonly EndpointReport[] }[],
): readonly ByWorker<EndpointReport>[] {
  const groups = new Map<string, ByWorker<EndpointReport> & { readonly workers: number[] }>();
  for (const { worker, rows } of reports) {
    for (const row of rows) {
      const { dbBytes, connections, openStreams, ...state } = row;
      const key = JSON.stringify(state);
      const before = groups.get(key);
      if (before === undefined) {
        groups.set(key, { ...row, workers: [worker] });
        continue;
      }
      groups.set(key, {
        ...row,
        dbBytes: Math.max(before.dbBytes, dbBytes),
        connections: sumOf(before.connections, connections),
        openStreams: sumOf(before.openStreams, openStreams),
        workers: [...before.workers, worker],
      });
    }
  }
  return [...groups.values()];
}

function sumOf(one: CountsByClass, other: CountsByClass): CountsByClass {
  return {
    unary: one.unary + other.unary,
    watch: one.watch + other.watch,
    lease: one.lease + other.lease,
  };
}

export function groupedByWorker<T>(
  reports: readonly { readonly worker: number; readonly rows: readonly T[] }[],
): readonly ByWorker<T>[] {
  const groups = new Map<string, { readonly row: T; readonly workers: number[] }>();
  for (const { worker, rows } of reports) {
    for (const row of rows) {
      const key = JSON.stringify(row);
      const group = groups.get(key) ?? { row, workers: [] };
      groups.set(key, group);
      if (group.workers.at(-1) !== worker) group.workers.push(worker);
    }
  }
  return Array.from(groups.values(), ({ row, workers }) => ({ ...row, workers }));
}
