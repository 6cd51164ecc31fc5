/** One tenant keeps 20,000 calls in flight. The calls and the leases of another one go on. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { startEtcd } from '../../support/etcd.ts';
import { Program } from '../../support/program.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const flood = join(import.meta.dirname, '../../support/flood.ts');
const [connections, callsPerConnection] = [100, 200];
const forMs = 10_000;
const ttlSeconds = 5;
/** Without turns: more than 8 s, and the lease is lost. On a machine without other load: 0.5 s. */
const putMsMax = 3_000;
const key = Buffer.from('k');

test('a tenant with one call at a time keeps its latency and its lease', async () => {
  await using etcd = await startEtcd();
  using directory = new TemporaryDirectory('neighbours');
  const file = join(directory.path, 'c.yaml');
  const tenants = ['noisy', 'quiet'].map((name) => ({ name, namespace: `${name}/` }));
  const listeners = tenants.map(({ name }) => ({ address: '127.0.0.1:0', tenant: name }));
  listeners[1] = { address: '127.0.0.2:0', tenant: 'quiet' };
  const config = { endpoints: [etcd.address], 'admin-addr': '127.0.0.1:0', tenants, listeners };
  writeFileSync(file, JSON.stringify(config));
  using program = new Program(['run', `--config=${file}`]);
  const { addresses } = await program.serving();
  const [noisy = '', quiet = ''] = addresses;
  using client = grpcClient(quiet);
  const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: ttlSeconds });
  await client.call('etcdserverpb.KV/Put', { key, lease: ID });
  using renewals = client.stream('etcdserverpb.Lease/LeaseKeepAlive');

  const [host = '', port = ''] = noisy.split(':');
  const load = spawn(
    process.execPath,
    [flood, host, port, `${connections}`, `${callsPerConnection}`],
    { stdio: 'inherit' },
  );
  const remaining: string[] = [];
  const putMs: number[] = [];
  try {
    const beganMs = performance.now();
    const renew = async () => {
      while (performance.now() - beganMs < forMs) {
        renewals.send({ ID });
        remaining.push((await renewals.next()).TTL);
        await sleep(500);
      }
    };
    const put = async () => {
      while (performance.now() - beganMs < forMs) {
        const sentMs = performance.now();
        await client.call('etcdserverpb.KV/Put', { key, lease: ID });
        putMs.push(performance.now() - sentMs);
        await sleep(20);
      }
    };
    await Promise.all([renew(), put()]);
  } finally {
    load.kill('SIGKILL');
  }
  expect(new Set(remaining)).toEqual(new Set([`${ttlSeconds}`]));
  expect(Math.max(...putMs)).toBeLessThan(putMsMax);
});
