/** The releases of etcd that `npm run test:versions` has built. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'etcd-bulkhead');

/** The binary of the newest release of a line, such as `3.7`, or a path that does not exist. */
export function etcdOfLine(line: string): string {
  const built = existsSync(cache) ? readdirSync(cache) : [];
  return join(cache, newestOfLine(built, line) ?? `etcd-${line}`, 'etcd');
}

/** The name with the highest patch number among those such as `etcd-3.7.3`. */
export function newestOfLine(names: readonly string[], line: string): string | null {
  const prefix = `etcd-${line}.`;
  let newest = -1;
  for (const name of names) {
    const patch = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : -1;
    if (patch > newest) newest = patch;
  }
  return newest < 0 ? null : `${prefix}${newest}`;
}
