/**
 * `npm run package:deb [-- FOLDER [PACKED]]` builds a Debian package for the architecture of this machine into FOLDER, by default
 * the current one. It contains the npm package (PACKED, or a new one), its dependencies of package-lock.json, and the Node of the
 * development dependency (docs/adr/0031). DEBFULLNAME and DEBEMAIL name the maintainer, SOURCE_DATE_EPOCH the time of the files. Needs dpkg-deb.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { manualPage } from './man-page.ts';

const repository = fileURLToPath(new URL('..', import.meta.url));
const deploy = join(repository, 'docs/deploy');
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const program = 'usr/lib/etcd-bulkhead';
const documents = 'usr/share/doc/etcd-bulkhead';

/** The flags of Node are those of the first line of src/main.ts; MALLOC_ARENA_MAX is described in docs/adr/0014. */
const launcher = `#!/bin/sh
MALLOC_ARENA_MAX=\${MALLOC_ARENA_MAX-1}
export MALLOC_ARENA_MAX
exec /${program}/node${nodeFlags()} /${program}/dist/main.js "$@"
`;

function nodeFlags(): string {
  const [first = ''] = readFileSync(join(repository, 'src/main.ts'), 'utf8').split('\n');
  return first.replace(/^#!.* node(?= )/, '');
}

interface Release {
  readonly version: string;
  readonly maintainer: string;
  readonly time: Date;
}

function build(output: string, packed: string | undefined): string {
  const architecture = architectures[process.arch];
  if (architecture === undefined) throw new Error(`no Debian architecture for ${process.arch}`);
  const release = describeRelease();
  const root = mkdtempSync(join(tmpdir(), 'etcd-bulkhead-deb-'));
  try {
    chmodSync(root, 0o755);
    installProgram(root, packed);
    installFiles(root, release);
    writeControl(root, architecture, release);
    setTimes(root, release.time);
    const file = join(output, `etcd-bulkhead_${release.version}_${architecture}.deb`);
    const compression = process.env['DEB_COMPRESSION'] ?? 'xz';
    const args = ['--root-owner-group', `-Z${compression}`, '--build', root, file];
    execFileSync('dpkg-deb', args, { env: { ...process.env, ...epochOf(release) } });
    return file;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function describeRelease(): Release {
  const { version } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  const {
    DEBFULLNAME = 'etcd-bulkhead maintainers',
    DEBEMAIL = 'maintainers@etcd-bulkhead.invalid',
    SOURCE_DATE_EPOCH = git('log', '-1', '--format=%ct'),
  } = process.env;
  const time = new Date(Number(SOURCE_DATE_EPOCH) * 1_000);
  return { version, maintainer: `${DEBFULLNAME} <${DEBEMAIL}>`, time };
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: repository, encoding: 'utf8' }).trim();
}

function epochOf({ time }: Release) {
  return { SOURCE_DATE_EPOCH: `${time.getTime() / 1_000}` };
}

/** The npm package with its production dependencies, and Node. */
function installProgram(root: string, packed: string | undefined): void {
  const target = join(root, program);
  mkdirSync(target, { recursive: true });
  const npm = (cwd: string, ...args: readonly string[]) =>
    execFileSync('npm', [...args, '--loglevel=error'], { cwd, stdio: ['ignore', 'ignore', 2] });
  if (packed === undefined) npm(repository, 'pack', `--pack-destination=${target}`);
  const [own = ''] = readdirSync(target);
  const file = packed ?? join(target, own);
  execFileSync('tar', ['-xzf', file, '--strip-components=1'], { cwd: target });
  if (packed === undefined) rmSync(file);
  for (const name of ['package-lock.json', '.npmrc']) {
    copyFileSync(join(repository, name), join(target, name));
  }
  npm(target, 'ci', '--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-bin-links');
  for (const name of ['package-lock.json', '.npmrc', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    rmSync(join(target, name));
  }
  keepRuntimeFiles(join(target, 'node_modules'));
  copyFileSync(join(nodePackage(), 'bin/node'), join(target, 'node'));
  chmodSync(join(target, 'node'), 0o755);
}

/** npm packages also contain types, documentation, tests and configuration of editors. */
function keepRuntimeFiles(folder: string): void {
  const isNeeded = /\.(?:[cm]?js|json|proto)$|(?:^|\/)(?:licen[cs]e|notice|copying)[^/]*$/i;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if (isNeeded.test(path)) chmodSync(path, 0o644);
    else rmSync(path);
  }
  removeEmptyFolders(folder);
}

function removeEmptyFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeEmptyFolders(join(folder, entry.name));
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}

/** The package of this platform that the development dependency `node` has installed. */
function nodePackage(): string {
  const name = `node-${process.platform}-${process.arch}`;
  const folders = ['node_modules/node/node_modules', 'node_modules'];
  const found = folders.map((each) => join(repository, each, name)).find(existsSync);
  if (found === undefined) throw new Error(`${name} is not installed: run npm ci`);
  return found;
}

function installFiles(root: string, { version, maintainer, time }: Release): void {
  const put = (path: string, content: string | Buffer, mode = 0o644) => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content, { mode });
    chmodSync(join(root, path), mode);
  };
  const read = (path: string) => readFileSync(join(deploy, path));
  put('usr/bin/etcd-bulkhead', launcher, 0o755);
  put('etc/etcd-bulkhead/bulkhead.yaml', read('bulkhead.yaml'));
  put('usr/lib/systemd/system/etcd-bulkhead.service', read('systemd/etcd-bulkhead.service'));
  put('usr/lib/sysusers.d/etcd-bulkhead.conf', read('systemd/sysusers.conf'));
  put('usr/lib/tmpfiles.d/etcd-bulkhead.conf', read('systemd/tmpfiles.conf'));
  put(`${documents}/examples/supervisor.conf`, read('supervisor/etcd-bulkhead.conf'));
  put(`${documents}/copyright`, copyright);
  put('usr/share/lintian/overrides/etcd-bulkhead', read('debian/lintian-overrides'));
  const page = manualPage(version, time.toISOString().slice(0, 10));
  put('usr/share/man/man8/etcd-bulkhead.8.gz', gzipSync(page, { level: 9 }));
  const entry = `etcd-bulkhead (${version}) stable; urgency=medium\n\n  * Release ${version}. See CHANGELOG.md.\n\n -- ${maintainer}  ${time.toUTCString().replace('GMT', '+0000')}\n`;
  put(`${documents}/changelog.gz`, gzipSync(entry, { level: 9 }));
  const license = readFileSync(join(nodePackage(), 'LICENSE'));
  put(`${documents}/node-LICENSE.gz`, gzipSync(license, { level: 9 }));
  const changes = readFileSync(join(repository, 'CHANGELOG.md'));
  put(`${documents}/CHANGELOG.md.gz`, gzipSync(changes, { level: 9 }));
}

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: etcd-bulkhead
Comment:
 The package includes Node.js, whose license is in node-LICENSE.gz beside this
 file, and npm packages, whose licenses are below /${program}/node_modules.

Files: *
Copyright: 2026 the etcd-bulkhead authors
License: Apache-2.0
 On Debian systems, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`;

function writeControl(root: string, architecture: string, { version, maintainer }: Release): void {
  const control = join(root, 'DEBIAN');
  mkdirSync(control);
  const size = execFileSync('du', ['--summarize', '--block-size=1024', root], { encoding: 'utf8' });
  const fields = [
    'Package: etcd-bulkhead',
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${Number.parseInt(size, 10)}`,
    'Depends: libc6 (>= 2.28), libstdc++6, systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles',
    'Suggests: etcd-client',
    'Section: net',
    'Priority: optional',
    'Description: proxy for etcd with a namespace per tenant',
    ' Unmodified etcd clients connect to it as if it were etcd. Each tenant sees only',
    ' its own keys, leases and watches of a shared cluster. Circuit breakers and',
    ' limits protect the cluster.',
  ];
  writeFileSync(join(control, 'control'), `${fields.join('\n')}\n`);
  writeFileSync(join(control, 'conffiles'), '/etc/etcd-bulkhead/bulkhead.yaml\n');
  for (const name of ['postinst', 'prerm', 'postrm']) {
    copyFileSync(join(deploy, 'debian', name), join(control, name));
    chmodSync(join(control, name), 0o755);
  }
}

/** All files get the time of the release, so that the same commit is the same package. */
function setTimes(root: string, time: Date): void {
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    lutimesSync(join(root, name), time, time);
  }
}

const [output = '.', packed] = process.argv.slice(2).map((each) => resolve(each));
mkdirSync(output, { recursive: true });
console.log(build(resolve(output), packed));
