/** Packages of the distribution, downloaded once into the user's cache. They are not installed on this machine. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const downloadTimeoutMs = 120_000;

/** The folder with the .deb files, or null without apt or its archive. `name` is that of the folder. */
export async function debianPackages(
  name: string,
  packages: readonly string[],
): Promise<string | null> {
  const folder = join(homedir(), '.cache', 'etcd-bulkhead', `deb-${name}`);
  const isThere = () => existsSync(folder) && readdirSync(folder).length >= packages.length;
  if (isThere()) return folder;
  mkdirSync(folder, { recursive: true });
  const options = { cwd: folder, timeout: downloadTimeoutMs };
  const download = () => promisify(execFile)('apt-get', ['download', ...packages], options);
  try {
    await download().catch(async () => {
      await promisify(execFile)('apt-get', ['update', '-q'], options);
      await download();
    });
  } catch {
    return null;
  }
  return isThere() ? folder : null;
}
