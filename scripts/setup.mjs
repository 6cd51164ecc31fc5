/**
 * Prepares a machine with Node 20 or newer, npm and a package manager for `npm start` and `npm test`: installs npm
 * dependencies if they are missing or out of date, then finds or installs etcd and etcdctl. Plain JavaScript, because it
 * runs before any dependency is installed. Prints nothing if there is nothing to do.
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
/** Contains the fingerprint of the lock file that node_modules was installed from. */
const stamp = join(root, 'node_modules', '.installed-from');

/** Package names in Debian. In Homebrew, one package contains both programs. */
const debianPackages = { etcd: 'etcd-server', etcdctl: 'etcd-client' };

const lockPollMs = 200;
const lockStaleMs = 15 * 60_000;

function setUp() {
  if (isInstalled() && missingPrograms().length === 0) return true;
  const release = takeLock();
  try {
    // The previous holder of the lock may have installed everything.
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
    // No stamp: npm was run by hand. npm's own record shows whether that was after the last change of the lock file.
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
  // Tests and `npm start` need the development dependencies, even with NODE_ENV=production.
  const common = ['--include=dev', '--no-audit', '--no-fund'];
  if (!run('npm', ['ci', ...common])) {
    say('npm ci failed; trying npm install');
    if (!run('npm', ['install', '--no-save', ...common]))
      return fail('npm could not install the dependencies');
  }
  writeFileSync(stamp, fingerprint());
  return true;
}

/** Names of the programs that are not installed. */
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
 * Debian packages start their services on installation. A system-wide etcd would use the port of the proxy, so a
 * policy-rc.d script prevents that during the installation, as documented by Debian.
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
    return fail(`ETCD_BULKHEAD_ETCD is ${own}, which is not an executable program`);
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
    `${still.join(' and ')} not found. Install it and try again:`,
    `  Debian, Ubuntu:  sudo apt-get update && sudo apt-get install ${packages.join(' ')}`,
    '  macOS:           brew install etcd',
    '  other systems:   download etcd 3.4 or newer from github.com/etcd-io/etcd/releases and add etcd and etcdctl to your PATH',
  );
}

function maySudo() {
  return isOnPath('sudo') && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0;
}

/** Ensures that only one setup of this folder runs at a time. Returns a function that releases the lock. */
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
    if (!hasSaid) say('waiting for another setup to finish');
    hasSaid = true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, lockPollMs);
  }
}

/** Sends all output to standard error. Standard output belongs to the command that runs after this script. */
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
