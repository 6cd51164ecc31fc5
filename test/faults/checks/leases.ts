/** The lease of a client that renews it does not expire, and its key is not deleted. */
import type { LeaseHolder } from '../load/lease-holder.ts';
import type { Stored } from '../store-history.ts';

export function checkLeases(
  holders: readonly Pick<LeaseHolder, 'name' | 'leased' | 'isLost'>[],
  history: readonly Stored[],
): string[] {
  return holders.flatMap(({ name, leased, isLost }) => {
    const deletion = history.find((event) => event.name === leased && event.isDelete);
    if (deletion !== undefined) return [`the lease of ${name} has expired at ${deletion.revision}`];
    return isLost ? [`${name} was notified that its lease has expired, and it has not`] : [];
  });
}
