/**
 * The memory limit of the container: `memory.max` of the process's own control group (cgroup v2) and of all groups above it
 * that are visible. What cannot be read or understood counts as unlimited.
 */
import { readFileSync } from 'node:fs';

const root = '/sys/fs/cgroup';

/** Returns the text of a file, or null. */
export type ReadText = (path: string) => string | null;

/** In bytes; `Infinity` without a limit. */
export function memoryLimit(read: ReadText = readText): number {
  const path = ownGroup(read('/proc/self/cgroup') ?? '');
  if (path === null) return Number.POSITIVE_INFINITY;
  let limit = limitOf(read, root);
  let directory = root;
  for (const name of path.split('/')) {
    if (name === '') continue;
    directory += `/${name}`;
    limit = Math.min(limit, limitOf(read, directory));
  }
  return limit;
}

/** The path of the group in a line `0::/path`. Null for cgroup v1, and for a group outside of what is mounted. */
function ownGroup(lines: string): string | null {
  const path = /^0::(\/.*)$/m.exec(lines)?.[1];
  return path === undefined || path.split('/').includes('..') ? null : path;
}

function limitOf(read: ReadText, directory: string): number {
  const text = read(`${directory}/memory.max`)?.trim() ?? '';
  const bytes = /^\d{1,19}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
  return bytes > 0 ? bytes : Number.POSITIVE_INFINITY;
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}
