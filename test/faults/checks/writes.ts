/** Every acknowledged write is in the store, at the revision of its response, and no write is there twice. */
import type { Ledger } from '../ledger.ts';
import type { Stored } from '../store-history.ts';

export function checkWrites({ writes }: Ledger, history: readonly Stored[]): string[] {
  const found: string[] = [];
  const revisions = new Map<string, number[]>();
  for (const { name, value, revision } of history) {
    const write = `${name} ${value}`;
    revisions.set(write, [...(revisions.get(write) ?? []), revision]);
  }
  for (const { keys, value, acknowledged } of writes) {
    for (const key of keys) {
      const at = revisions.get(`${key} ${value}`) ?? [];
      const where = `${value} to ${key}`;
      if (at.length > 1) found.push(`applied twice: ${where}, at ${at.join(' and ')}`);
      if (acknowledged === null) continue;
      if (at.length === 0) found.push(`lost: ${where}, acknowledged at ${acknowledged.revision}`);
      else if (at[0] !== acknowledged.revision) {
        found.push(`acknowledged at ${acknowledged.revision}, stored at ${at[0]}: ${where}`);
      }
    }
  }
  return found;
}
