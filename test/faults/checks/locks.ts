/** Mutual exclusion: no two clients may rely on the lock at the same time, and no increment under it is lost. */
import type { Section } from '../ledger.ts';
import { counter } from '../load/lock-holder.ts';
import type { Stored } from '../store-history.ts';

export function checkLocks(sections: readonly Section[], history: readonly Stored[]): string[] {
  const found: string[] = [];
  let last: Section | null = null;
  for (const section of sections.toSorted((a, b) => a.fromMs - b.fromMs)) {
    if (last !== null && section.fromMs < last.toMs) {
      const ms = Math.round(last.toMs - section.fromMs);
      found.push(
        `${last.holder} and ${section.holder} have the lock at the same time for ${ms} ms`,
      );
    }
    if (last === null || section.toMs > last.toMs) last = section;
  }
  let count = 0;
  for (const { name, value } of history) {
    if (name !== counter) continue;
    if (Number(value) !== count + 1) found.push(`the counter goes from ${count} to ${value}`);
    count = Number(value);
  }
  return found;
}
