/**
 * Runs the conformance suite against one release line of etcd after another: builds each from its Go module, pinned in
 * test/etcd-versions/, keeps the binary in the user's cache folder, and hands it to the suite. The etcd on the PATH plays
 * no part. Ends with 1 when a line could not be built or a case failed; the other lines still run.
 *
 *     npm run test:versions -- [LINE …] [arguments of vitest]       for example: 3.7 test/conformance/range.test.ts
 *
 * With `--project` another project of vitest runs instead:          3.7 --project integration-measured shared-watches
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Release {
  /** For example `3.6`. */
  readonly line: string;
  /** For example `3.6.16`. */
  readonly version: string;
  /** Names exactly this release, and everything it is made of. */
  readonly modFile: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'test', 'etcd-versions');
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'etcd-bulkhead');

/** In the order of their lines. */
function pinnedReleases(): readonly Release[] {
  const releases: Release[] = [];
  for (const modFile of readdirSync(source).toSorted()) {
    const line = /^etcd-(\d+\.\d+)\.mod$/.exec(modFile)?.[1];
    if (line === undefined) continue;
    const text = readFileSync(join(source, modFile), 'utf8');
    const version = /^require go\.etcd\.io\/etcd\/server\/v3 v(\S+)$/m.exec(text)?.[1];
    if (version === undefined) throw new Error(`${modFile} does not pin a release of etcd`);
    releases.push({ line, version, modFile });
  }
  return releases;
}

/** Whether it ended well. What it has to say of its own accord is dropped, its troubles are not. */
function go(...args: readonly string[]): boolean {
  const { status } = spawnSync('go', args, { cwd: source, stdio: ['ignore', 'ignore', 'inherit'] });
  return status === 0;
}

/** Path of the binary, built unless it is there; null when it cannot be built, which has been said then. */
function binaryOf({ version, modFile }: Release): string | null {
  const folder = join(cache, `etcd-${version}`);
  const binary = join(folder, 'etcd');
  if (existsSync(binary)) return binary;
  say(`building etcd ${version}, once; this takes minutes`);
  if (spawnSync('go', ['version']).status !== 0) {
    return cannot(version, 'Go is missing; install it (go.dev/doc/install) and put it on the PATH');
  }
  // The packages are asked for first, so that a download that failed is not taken for a build that did.
  if (!go('list', `-modfile=${modFile}`, '-deps', '.')) {
    return cannot(
      version,
      "its Go modules did not come; is Go's module proxy (GOPROXY) reachable?",
    );
  }
  mkdirSync(folder, { recursive: true });
  // Under another name until it is whole: a build that breaks off is not taken for a binary.
  const unfinished = `${binary}.${process.pid}`;
  // One package at a time: a small machine has other things to do as well.
  const flags = ['-p=1', '-trimpath', '-ldflags=-s -w', `-modfile=${modFile}`];
  if (!go('build', ...flags, '-o', unfinished, '.')) return cannot(version, 'go build failed');
  renameSync(unfinished, binary);
  return binary;
}

function cannot(version: string, why: string): null {
  say(`cannot build etcd ${version}: ${why}`);
  return null;
}

function passes(binary: string, args: readonly string[]): boolean {
  const vitest = join(root, 'node_modules', '.bin', 'vitest');
  const project = args.includes('--project') ? [] : ['--project', 'conformance'];
  const { status } = spawnSync(vitest, ['run', ...project, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ETCD_BINARY: binary },
  });
  return status === 0;
}

function say(line: string): void {
  process.stderr.write(`etcd-versions: ${line}\n`);
}

function main(args: readonly string[]): number {
  const releases = pinnedReleases();
  const lines = args.filter((arg) => /^\d+\.\d+$/.test(arg));
  const unknown = lines.find((line) => releases.every((release) => release.line !== line));
  if (unknown !== undefined) {
    say(`etcd ${unknown} is not one of ${releases.map(({ line }) => line).join(', ')}`);
    return 64;
  }
  const others = args.filter((arg) => !lines.includes(arg));
  const outcomes: string[] = [];
  let failed = 0;
  for (const release of releases) {
    if (lines.length > 0 && !lines.includes(release.line)) continue;
    const binary = binaryOf(release);
    if (binary !== null) say(`the suite on etcd ${release.version}`);
    const outcome =
      binary === null ? 'could not be built' : passes(binary, others) ? 'passed' : 'failed';
    if (outcome !== 'passed') failed += 1;
    outcomes.push(`etcd ${release.version} ${outcome}`);
  }
  for (const outcome of outcomes) say(outcome);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
