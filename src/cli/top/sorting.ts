/** The orders of the tenants in `top`. */
import type { TenantRow } from './reading.ts';

export const sortKeys = ['calls', 'errors', 'bytes', 'p99', 'watches', 'name'] as const;
export type SortKey = (typeof sortKeys)[number];

const figures: Readonly<Record<Exclude<SortKey, 'name'>, (row: TenantRow) => number>> = {
  calls: ({ callsPerSecond }) => callsPerSecond ?? -1,
  errors: ({ errorsPerSecond }) => errorsPerSecond ?? -1,
  bytes: ({ bytesPerSecond }) => bytesPerSecond ?? -1,
  p99: ({ p99Ms }) => p99Ms ?? -1,
  watches: ({ watches }) => watches,
};

/** The largest first, or by name. Rows with equal figures are in the order of their names. */
export function sorted(
  rows: readonly TenantRow[],
  key: SortKey,
  isReversed: boolean,
): readonly TenantRow[] {
  const byName = (one: TenantRow, other: TenantRow) => (one.tenant < other.tenant ? -1 : 1);
  const ordered = rows.toSorted((one, other) => {
    if (key === 'name') return byName(one, other);
    return figures[key](other) - figures[key](one) || byName(one, other);
  });
  return isReversed ? ordered.toReversed() : ordered;
}

export function nextSortKey(key: SortKey): SortKey {
  return sortKeys[(sortKeys.indexOf(key) + 1) % sortKeys.length] ?? sortKeys[0];
}
