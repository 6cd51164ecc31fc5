/** Which watches can share a feed. */
import type { WatcherSpec } from './watcher.ts';

/** Watchers with equal keys share a feed of their tenant. */
export function feedKey({ range, prevKv }: Pick<WatcherSpec, 'range' | 'prevKv'>): string {
  const key = Buffer.from(range.key).toString('latin1');
  const end = Buffer.from(range.end).toString('latin1');
  return `${prevKv ? 'p' : '-'}${key.length}:${key}${end}`;
}
