/** The program itself, told to read its configuration again: by SIGHUP, and by files that change under it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { Program } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('reload');
const key = Buffer.from('k');
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

function text(namespace: string, more = ''): string {
  return `endpoints: ['${etcd.address}']
tenants: [{ name: game, namespace: ${namespace} }]
listeners: [{ address: '127.0.0.1:0', tenant: game }]
${more}`;
}

async function start(file: string) {
  const program = new Program([
    'run',
    `--config=${file}`,
    '--admin-addr=127.0.0.1:0',
    '--drain-window=0s',
  ]);
  const {
    addresses: [address = ''],
    admin,
  } = await program.serving();
  const page = async (path: string) => (await fetch(`http://${admin}${path}`)).text();
  return { program, address, page, configz: async () => JSON.parse(await page('/configz')) };
}

/** Puts the key, and says whether that worked. */
async function putThrough(address: string): Promise<boolean> {
  using client = grpcClient(address);
  return await client.call('etcdserverpb.KV/Put', { key, value: key }).then(
    () => true,
    () => false,
  );
}

async function isStored(name: string): Promise<boolean> {
  using raw = grpcClient(etcd.address);
  return (await raw.call('etcdserverpb.KV/Range', { key: Buffer.from(name) })).kvs.length > 0;
}

describe('a running proxy', () => {
  test('reads its file again on SIGHUP, keeps what it has when that is wrong, and says so', async () => {
    const file = join(directory.path, 'hup.yaml');
    writeFileSync(file, text('one/'));
    const { program, address, page, configz } = await start(file);
    using _ = program;
    const { hash } = await configz();
    expect(await page('/metrics')).toMatch(/^etcd_bulkhead_config_last_reload_successful 1$/m);

    writeFileSync(file, text('two', 'holdd: 1s'));
    program.kill('SIGHUP');
    await program.printed('out', /reload failed/);
    expect(await page('/metrics')).toMatch(/^etcd_bulkhead_config_last_reload_successful 0$/m);
    expect(await configz()).toMatchObject({
      hash,
      problems: [
        `${file}:4: unknown key "holdd"; did you mean "hold"?`,
        expect.stringContaining('must end in "/"'),
      ],
    });
    expect(await putThrough(address)).toBe(true);
    expect(await isStored('one/k')).toBe(true);

    writeFileSync(file, text('two/', 'hold: 1s'));
    program.kill('SIGHUP');
    await program.printed('out', /"event":"reloaded"/);
    await putThrough(address);
    expect(await isStored('two/k')).toBe(true);
    const after = await configz();
    expect(after).toMatchObject({ problems: [], needRestart: ['hold'] });
    expect(after.hash).not.toBe(hash);
    expect(await page('/metrics')).toMatch(/^etcd_bulkhead_config_last_reload_successful 1$/m);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
  });

  test('notices by itself when its file is swapped the way Kubernetes does it', async () => {
    const mount = join(directory.path, 'mount');
    for (const [version, namespace] of [
      ['v1', 'k1/'],
      ['v2', 'k2/'],
    ] as const) {
      mkdirSync(join(mount, version), { recursive: true });
      writeFileSync(join(mount, version, 'c.yaml'), text(namespace));
    }
    symlinkSync('v1', join(mount, '..data'));
    symlinkSync('..data/c.yaml', join(mount, 'c.yaml'));
    const { program, address } = await start(join(mount, 'c.yaml'));
    using _ = program;
    symlinkSync('v2', join(mount, '..data_tmp'));
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    await program.printed('out', /"event":"reloaded"/);
    await until('write in the new namespace', async () => {
      await putThrough(address);
      return isStored('k2/k');
    });
  });

  test('serves on when a pipe replaces its file, and rejects the reload', async () => {
    const file = join(directory.path, 'pipe.yaml');
    writeFileSync(file, text('pipe/'));
    const { program, address, configz } = await start(file);
    using _ = program;
    const pipe = join(directory.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    renameSync(pipe, file);
    program.kill('SIGHUP');
    await program.printed('out', /reload failed/);
    expect((await configz()).problems).toEqual([
      '--config: cannot be read: not a regular file but a pipe',
    ]);
    expect(await putThrough(address)).toBe(true);
    program.kill('SIGTERM');
    expect(await program.ended).toEqual([0, null]);
  });
});

test('hash-password writes what a file of users takes, and wants the password on standard input', () => {
  const main = new URL('../../../src/main.ts', import.meta.url).pathname;
  const hash = execFileSync(process.execPath, [main, 'hash-password'], { input: 's3cret\n' });
  expect(hash.toString()).toMatch(
    /^\$scrypt\$ln=14,r=8,p=5\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}\n$/,
  );
  expect(spawnSync(process.execPath, [main, 'hash-password'], { input: '' }).status).toBe(64);
  expect(spawnSync(process.execPath, [main, 'hash-password'], { input: 'a\0\n' }).status).toBe(64);
  expect(spawnSync(process.execPath, [main, 'hash-password', 's3cret']).status).toBe(64);
});
