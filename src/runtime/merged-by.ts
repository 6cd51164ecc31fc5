/** Groups rows by a key and combines each group, for reports of several processes. */

/** One row per key, in the order in which the keys occur first. `merge` receives what is combined so far, and a later row. */
export function mergedBy<T>(
  rows: Iterable<T>,
  keyOf: (row: T) => string,
  merge: (one: T, other: T) => T,
): readonly T[] {
  const byKey = new Map<string, T>();
  for (const row of rows) {
    const key = keyOf(row);
    const before = byKey.get(key);
    byKey.set(key, before === undefined ? row : merge(before, row));
  }
  return [...byKey.values()];
}
