/** The npm package as it would be published: its file, and an installation of it in an empty folder. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from './until.ts';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('../..', import.meta.url));
const installFlags = ['--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];

export interface Packed {
  /** Path of the .tgz file. */
  readonly file: string;
  /** Paths inside the package. */
  readonly contents: readonly string[];
}

/**
 * Builds the program and packs it into `folder`. The build is that of a copy, because the one of the repository may be in use.
 */
export async function pack(folder: string): Promise<Packed> {
  const copy = join(folder, 'repository');
  const excluded = new Set(['.git', 'node_modules', 'dist', 'test', 'bench']);
  for (const name of readdirSync(repository)) {
    if (!excluded.has(name)) cpSync(join(repository, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'));
  const args = ['pack', '--json', '--loglevel=error', `--pack-destination=${folder}`];
  const { stdout } = await run('npm', args, { cwd: copy });
  // Scripts of the package print to standard output, too.
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as [
    { readonly filename: string; readonly files: readonly { readonly path: string }[] },
  ];
  return { file: join(folder, packed.filename), contents: packed.files.map(({ path }) => path) };
}

/** Installs the packed file into `folder`, which must be empty. Dependencies come from npm's cache or the registry. */
export async function installPacked({ file }: Packed, folder: string): Promise<void> {
  await run('npm', ['install', ...installFlags, file], { cwd: folder });
}

/**
 * The folder of the `node` program of another release line, installed once into the user's cache from the npm package of this
 * platform. Null if the registry does not have or does not deliver it.
 */
export async function nodeFolder(line: number): Promise<string | null> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(homedir(), '.cache', 'etcd-bulkhead', `node-${line}`);
  const bin = join(folder, 'node_modules', name, 'bin');
  const isThere = () =>
    run(join(bin, 'node'), ['--version']).then(
      () => true,
      () => false,
    );
  if (await isThere()) return bin;
  mkdirSync(folder, { recursive: true });
  try {
    await run('npm', ['install', '--prefix', folder, ...installFlags, `${name}@${line}`]);
    await until(`node of line ${line}`, isThere, 1_000);
    return bin;
  } catch {
    return null;
  }
}
