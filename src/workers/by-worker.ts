/** Combines the reports of workers: equal rows become one row with the numbers of its workers. */
import type { ByWorker } from '../admin/reports.ts';

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
