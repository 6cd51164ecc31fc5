/**
 * The Debian package on a host: its unit under a real systemd, and its example for supervisor. Both run in namespaces, on a copy
 * of this machine's root that is discarded. Needs root, systemd, dpkg and overlay mounts; without them the tests are skipped.
 */
import { execFile } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, linkSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { debianPackages } from '../../support/debian-packages.ts';
import { pack } from '../../support/packed.ts';
import { runGroup } from '../../support/process-group.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const scripts = fileURLToPath(new URL('./namespace', import.meta.url));
const systemd = '/lib/systemd/systemd';
const notPermitted = 77;
const withinMs = 100_000;

const directory = new TemporaryDirectory('service');
afterAll(() => directory[Symbol.dispose]());

/** Why nothing here can run, or null. */
function whyNot(): string | null {
  if (process.platform !== 'linux') return 'namespaces need Linux';
  if (process.getuid?.() !== 0) return 'namespaces with an overlay of / need root';
  if (!existsSync(systemd)) return 'systemd is not installed';
  if (!existsSync('/usr/bin/dpkg-deb')) return 'dpkg is not installed';
  return null;
}

const reason = whyNot();
const supervisor =
  reason === null
    ? await debianPackages('supervisor', ['supervisor', 'python3-pkg-resources'])
    : null;

interface Reported {
  /** What the script has reported, by name. */
  readonly values: object;
  /** Everything else that it has printed, for the message of a failure. */
  readonly details: string;
}

/** Boots systemd and runs a script in it. Skips the test if the machine does not permit that. */
async function reports(context: TestContext, script: string, shared: string): Promise<Reported> {
  copyFileSync(join(scripts, script), join(shared, script));
  const read = (name: string) =>
    existsSync(join(shared, name)) ? readFileSync(join(shared, name), 'utf8') : '';
  const command = [join(scripts, 'enter.sh'), shared, `/shared/${script}`];
  const { code, printed } = await runGroup('bash', command, { withinMs });
  if (code === notPermitted) context.skip(printed.trim());
  const details = ['output', 'errors', 'log'].map(read).join('\n');
  expect(code, `${printed}\n${details}`).toBe(0);
  const lines = read('output').trim().split('\n');
  const values = Object.fromEntries(
    lines.map((line) => [line.split('=', 1)[0], line.replace(/^.*?=/, '')]),
  );
  return { values, details };
}

describe.skipIf(reason !== null)(
  `the Debian package${reason === null ? '' : ` (${reason})`}`,
  () => {
    let deb: string;

    beforeAll(async () => {
      // Not compressed, which is most of the time of the build.
      const env = { ...process.env, DEB_COMPRESSION: 'none' };
      const packed = await pack(directory.path);
      const args = ['scripts/package-deb.ts', directory.path, packed.file];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env });
      deb = stdout.trim();
    });

    function shared(name: string): string {
      const folder = join(directory.path, name);
      mkdirSync(folder);
      linkSync(deb, join(folder, basename(deb)));
      return folder;
    }

    test('its service starts, reloads, is restarted when it hangs, and drains under systemd', async (context) => {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
      const { values, details } = await reports(context, 'service.sh', shared('systemd'));
      expect(values, details).toEqual({
        user: 'etcd-bulkhead',
        configuration: '640 root etcd-bulkhead',
        sockets: '755 etcd-bulkhead etcd-bulkhead',
        version,
        verified: '0',
        exposed: 'no',
        manual: expect.stringMatching(/^(?:0 warnings|no man here)$/),
        'started-by-installation': 'inactive',
        state: 'active',
        status: 'serving on 2 addresses',
        capabilities: '0000000000000000',
        // System calls are filtered.
        filter: '2',
        socket: '660 etcd-bulkhead lobby',
        put: 'OK',
        stored: 'lobby/a of-lobby ',
        'other-group': 'refused',
        'other-tenant': '0',
        reloaded: 'of-lobby active',
        'restarts-while-pinged': '0',
        'restarts-of-hung-process': '1',
        'served-again': 'of-lobby',
        upgrade: 'active',
        kept: '1',
        stopped: 'inactive success 0',
        // For the upgrade, and for the stop.
        drains: '2',
        invalid: 'failed 64 0',
        purged: '0',
      });
    });

    test.skipIf(supervisor === null)('its example runs under supervisor', async (context) => {
      const folder = shared('supervised');
      cpSync(supervisor ?? '', join(folder, 'supervisor'), { recursive: true });
      const { values, details } = await reports(context, 'supervisor.sh', folder);
      expect(values, details).toEqual({
        user: expect.stringMatching(/^etcd-bul/),
        put: 'OK',
        stored: 'lobby/a of-lobby ',
        reloaded: 'of-lobby',
        stopped: 'STOPPED',
        drained: '"event":"stopped"',
      });
    });
  },
);
