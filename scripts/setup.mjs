/**
 * Makes `npm start` and `npm test` work on a machine that has Node 20 or newer, npm, and a package manager: installs npm's
 * dependencies when they are missing or out of date, then finds etcd and etcdctl or installs them. Plain JavaScript
 * without dependencies, because it runs before there are any. Says nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const lockFile = join(root, 'package-lock.json');
/** Holds the fingerprint of the lock file that node_modules was installed from. */
const stamp = join(root, 'node_modules', '.installed-from');

/** By Debian's names; Homebrew has both in one package. */
const debianPackages = { etcd: 'etcd-server', etcdctl: 'etcd-client' };

const lockPollMs = 200;
const lockStaleMs = 15 * 60_000;

function setUp() {
  if (isInstalled() && missingPrograms().length === 0) return true;
  const release = takeLock();
  try {
    // Whoever held the lock before may have done everything.
    if (!isInstalled() && !installDependencies()) return false;
    const missing = missingPrograms();
    return missing.length === 0 || installPrograms(missing);
  } finally {
    release();
  }
}

function isInstalled() {
  const wanted = fingerprint();
  try {
    return readFileSync(stamp, 'utf8') === wanted;
  } catch {
    // Never stamped: somebody ran npm by hand. npm's own record is newer than the lock file if that was recent enough.
    const own = modifiedMs(join(root, 'node_modules', '.package-lock.json'));
    if (own === undefined || own < modifiedMs(lockFile)) return false;
    writeFileSync(stamp, wanted);
    return true;
  }
}

function fingerprint() {
  return createHash('sha256').update(readFileSync(lockFile)).digest('hex');
}

function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

function installDependencies() {
  say('installing npm dependencies');
  // Tests and `npm start` need the development dependencies whatever the environment says about production.
  const common = ['--include=dev', '--no-audit', '--no-fund'];
  if (!run('npm', ['ci', ...common])) {
    say('npm ci failed; trying npm install');
    if (!run('npm', ['install', '--no-save', ...common]))
      return fail('npm could not install the dependencies');
  }
  writeFileSync(stamp, fingerprint());
  return true;
}

/** Names of the programs that are nowhere. */
function missingPrograms() {
  const own = process.env.ETCD_BULKHEAD_ETCD;
  return Object.keys(debianPackages).filter((name) =>
    name === 'etcd' && own !== undefined ? !isProgram(own) : !isOnPath(name),
  );
}

function isOnPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, name)));
}

function isProgram(nameOrPath) {
  return nameOrPath.includes('/') ? isExecutable(nameOrPath) : isOnPath(nameOrPath);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Debian starts a service with every package that has one; an etcd of the system's is not wanted here, least of all on the
 * port that the proxy is to have. So services are forbidden to start meanwhile, the way that Debian documents.
 */
const aptScript = `
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > "$policy" && chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -q --no-install-recommends "$@"; }
install "$@" || { apt-get update -q && install "$@"; }
`;

function installPrograms(missing) {
  const own = process.env.ETCD_BULKHEAD_ETCD;
  if (own !== undefined && missing.includes('etcd')) {
    return fail(`ETCD_BULKHEAD_ETCD names ${own}, which is no program`);
  }
  const packages = missing.map((name) => debianPackages[name]);
  const isRoot = process.getuid?.() === 0;
  if (isOnPath('apt-get') && (isRoot || maySudo())) {
    say(`installing ${packages.join(' and ')}`);
    const command = ['sh', '-c', aptScript, 'sh', ...packages];
    if (!isRoot) command.unshift('sudo', '-n');
    run(command[0], command.slice(1));
  } else if (isOnPath('brew') && !isRoot) {
    say('installing etcd with Homebrew');
    run('brew', ['install', 'etcd']);
  }
  const still = missingPrograms();
  if (still.length === 0) return true;
  return fail(
    `${still.join(' and ')} not found. Do one of these and try again:`,
    `  Debian, Ubuntu:  sudo apt-get update && sudo apt-get install ${packages.join(' ')}`,
    '  macOS:           brew install etcd',
    '  anything else:   take a release of etcd 3.4 or newer from github.com/etcd-io/etcd and put etcd and etcdctl on your PATH',
  );
}

function maySudo() {
  return isOnPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
}

/** One set-up of this folder at a time. Returns what gives the lock back. */
function takeLock() {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
  const path = join(tmpdir(), `etcd-bulkhead-setup-${name}`);
  for (let hasSaid = false; ; ) {
    try {
      mkdirSync(path);
      return () => rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const sinceMs = modifiedMs(path);
    if (sinceMs !== undefined && Date.now() - sinceMs > lockStaleMs) {
      rmSync(path, { recursive: true, force: true });
      continue;
    }
    if (!hasSaid) say('another set-up is running; waiting for it');
    hasSaid = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs);
  }
}

/** Its output goes to standard error: ours belongs to what comes after us. */
function run(command, args) {
  return spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0;
}

function say(line) {
  process.stderr.write(`setup: ${line}\n`);
}

function fail(...lines) {
  for (const line of lines) say(line);
  return false;
}

if (!setUp()) process.exitCode = 1;
