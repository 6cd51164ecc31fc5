/** Every watcher has every event of its range from its first revision on, in order, once. */
import { type Delivered, eventLine, type WatchedRange, type Watcher } from '../load/watcher.ts';
import type { Stored } from '../store-history.ts';

export interface WatchResult {
  readonly name: string;
  readonly range: WatchedRange;
  readonly firstRevision: number;
  readonly delivered: readonly Pick<Delivered, 'line'>[];
}

function expectedLines(
  { range, firstRevision }: WatchResult,
  history: readonly Stored[],
): string[] {
  return history
    .filter(({ name, revision }) => {
      return revision >= firstRevision && name >= range.from && name < range.to;
    })
    .map(({ revision, isDelete, name, value }) =>
      eventLine(revision, isDelete ? 'DELETE' : 'PUT', name, value),
    );
}

export function isComplete(watcher: Watcher, history: readonly Stored[]): boolean {
  return watcher.delivered.length >= expectedLines(watcher, history).length;
}

/** What is wrong first with a watcher, or null. */
export function checkWatch(watch: WatchResult, history: readonly Stored[]): string | null {
  const expected = expectedLines(watch, history);
  const known = new Set(expected);
  const seen = new Set<string>();
  for (const [i, { line }] of watch.delivered.entries()) {
    if (seen.has(line)) return `${watch.name} repeats ${line}`;
    seen.add(line);
    if (!known.has(line)) return `${watch.name} reports what is not in the store: ${line}`;
    const due = expected[i];
    if (line === due) continue;
    const arrivesLater = watch.delivered.some((later) => later.line === due);
    return arrivesLater
      ? `${watch.name} reports ${line} before ${due}`
      : `${watch.name} misses ${due}, the next is ${line}`;
  }
  const missing = expected[watch.delivered.length];
  return missing === undefined ? null : `${watch.name} ends before ${missing}`;
}
