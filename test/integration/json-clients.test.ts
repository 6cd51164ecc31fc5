/**
 * Programs that use etcd's JSON gateway, with their own code: Patroni's access to etcd and the client library etcd3gw. Each runs
 * against etcd and through the proxy, and must print the same. They come from PyPI, pinned in test/json-clients, and are kept in
 * a virtual environment in the user's cache.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { type SharedEtcd, startSharedEtcd } from '../support/shared-etcd.ts';

const folder = fileURLToPath(new URL('../json-clients/', import.meta.url));
const installTimeoutMs = 300_000;
const runTimeoutMs = 60_000;

async function run(command: string, args: readonly string[], timeout: number): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { timeout });
  return stdout;
}

/** The Python of the virtual environment, or null without Python or without a package index. */
async function findPython(): Promise<string | null> {
  const requirements = join(folder, 'requirements.txt');
  const pinned = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12);
  const environment = join(homedir(), '.cache', 'etcd-bulkhead', `json-clients-${pinned}`);
  const python = join(environment, 'bin', 'python');
  const complete = join(environment, 'complete');
  if (existsSync(complete)) return python;
  try {
    rmSync(environment, { recursive: true, force: true });
    await run('python3', ['-m', 'venv', environment], installTimeoutMs);
    const quiet = ['--disable-pip-version-check', '--quiet', '--no-deps'];
    await run(python, ['-m', 'pip', 'install', ...quiet, '-r', requirements], installTimeoutMs);
    writeFileSync(complete, '');
    return python;
  } catch {
    return null;
  }
}

const python = await findPython();
const reason = python === null ? ' (skipped: needs python3 with venv, and PyPI)' : '';

describe.skipIf(python === null)(`JSON clients${reason}`, () => {
  let etcd: Etcd;
  let shared: SharedEtcd;

  beforeAll(async () => {
    etcd = await startEtcd();
    shared = await startSharedEtcd({
      tenants: [{ name: 'red', namespace: 'red/' }],
      settings: { transport: 'native' },
    });
  });

  afterAll(async () => {
    await shared?.[Symbol.asyncDispose]();
    await etcd?.[Symbol.asyncDispose]();
  });

  test.each([
    ['Patroni', 'patroni_dcs.py', []],
    ['Patroni with use_proxies', 'patroni_dcs.py', ['proxies']],
    ['etcd3gw', 'etcd3gw_calls.py', []],
  ])('%s does the same through the proxy as with etcd', async (_, script, more) => {
    const outputs = [etcd.address, shared.address('red')].map((address) =>
      run(python ?? '', [join(folder, script), address, ...more], runTimeoutMs),
    );
    const [direct = '', proxied] = await Promise.all(outputs);
    expect(direct.split('\n').length).toBeGreaterThan(20);
    expect(proxied).toBe(direct);
  });
});
