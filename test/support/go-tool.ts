/** Programs that Go builds from their modules, once, into the user's cache. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const buildTimeoutMs = 300_000;

/** The path of the program that `package@version` builds, or null without Go or its module proxy. */
export async function goTool(path: string, version: string): Promise<string | null> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const folder = join(homedir(), '.cache', 'etcd-bulkhead', `${name}-${version}`);
  const program = join(folder, name);
  if (existsSync(program)) return program;
  try {
    const env = { ...process.env, GOBIN: folder };
    const options = { env, timeout: buildTimeoutMs };
    await promisify(execFile)('go', ['install', `${path}@${version}`], options);
    return program;
  } catch {
    return null;
  }
}
