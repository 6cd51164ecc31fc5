/** Affinity by tenant: HAProxy with the example of the documentation, in front of two replicas of a gateway. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { GrpcClient } from '../support/client.ts';
import { startEtcd } from '../support/etcd.ts';
import { Exposition } from '../support/exposition.ts';
import { checkHaproxy, Haproxy, haproxy } from '../support/haproxy.ts';
import { freePorts } from '../support/ports.ts';
import { Program } from '../support/program.ts';
import type { ServingLine } from '../support/serving-line.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

const example = fileURLToPath(
  new URL('../../docs/examples/kubernetes/haproxy.cfg', import.meta.url),
);
const tenants = Array.from({ length: 12 }, (_, index) => `tenant-${index}.etcd.example`);
const key = Buffer.from('k');

function portOf(address: string | null | undefined): string {
  return address?.split(':').at(-1) ?? '';
}

/** The example with servers of this machine in place of those that DNS finds in a cluster. */
function configuration(port: number, replicas: readonly ServingLine[]): string {
  const servers = replicas.map(
    ({ addresses, admin }, index) =>
      `  server replica${index} 127.0.0.1:${portOf(addresses[0])} check port ${portOf(admin)}`,
  );
  const text = readFileSync(example, 'utf8');
  const changed = text
    .replace('bind :2379', `bind 127.0.0.1:${port}`)
    .replace(/ {2}server-template .*/, servers.join('\n'))
    .replace(/resolvers cluster[\s\S]*?\n\n/, '')
    .replace('check port 2381 ', '')
    // A busy machine responds late, and is not unready.
    .replace('timeout check 2s', 'timeout check 30s')
    // The limit of file descriptors must permit twice as many.
    .replace(/maxconn \d+/, 'maxconn 100');
  expect(changed).not.toBe(text);
  return changed;
}

async function rangesAt({ admin }: ServingLine): Promise<number> {
  const page = await (await fetch(`http://${admin}/metrics`)).text();
  return new Exposition(page).sum('grpc_server_started_total', 'grpc_method="Range"');
}

describe.skipIf(haproxy === null)('HAProxy with the example of the documentation', () => {
  test('accepts it', () => {
    const { isValid, output } = checkHaproxy(example);
    expect(isValid, output).toBe(true);
    expect(output).not.toContain('WARNING');
  });

  test('sends all connections of a tenant to one replica, and to the other one when that is not ready', async () => {
    await using etcd = await startEtcd();
    using directory = new TemporaryDirectory('affinity');
    using authority = new CertificateAuthority();
    const pair = authority.issue({ name: '/CN=gateway', alternativeNames: 'DNS:*.etcd.example' });
    const config = {
      endpoints: [etcd.address],
      ...{ 'admin-addr': '127.0.0.1:0', 'min-drain': '60s', 'max-drain': '70s' },
      tenants: [{ name: 'game', namespace: 'game/' }],
      listeners: [
        {
          ...{ address: '127.0.0.1:0', tenant: 'game' },
          ...{ 'cert-file': pair.certificateFile, 'key-file': pair.keyFile },
        },
      ],
    };
    const configFile = join(directory.path, 'config.yaml');
    writeFileSync(configFile, JSON.stringify(config));
    using one = new Program(['run', `--config=${configFile}`]);
    using other = new Program(['run', `--config=${configFile}`]);
    const replicas = [await one.serving(), await other.serving()] as const;
    const [port = 0] = await freePorts(1);
    const file = join(directory.path, 'haproxy.cfg');
    writeFileSync(file, configuration(port, replicas));
    await using balancer = new Haproxy(file);

    let counts: readonly number[] = [0, 0];
    /** One call on a connection of its own. Returns the index of the replica that served it. */
    const replicaOf = async (tenant: string): Promise<number> => {
      const before = counts;
      const secure = credentials.createSsl(readFileSync(authority.certificateFile));
      const options = { 'grpc.ssl_target_name_override': tenant };
      using client = new GrpcClient(`127.0.0.1:${port}`, secure, options);
      try {
        await client.call('etcdserverpb.KV/Range', { key }, { timeoutMs: 30_000 });
      } finally {
        counts = await Promise.all(replicas.map(rangesAt));
      }
      return counts.findIndex((count, index) => count > (before[index] ?? 0));
    };
    const served = async () => {
      const replica = await replicaOf(tenants[0] ?? '').catch(() => -1);
      return replica >= 0;
    };
    await until(() => `the balancer (${balancer.printed})`, served);

    const first: number[] = [];
    for (const tenant of tenants) first.push(await replicaOf(tenant));
    const again: number[] = [];
    for (const tenant of tenants) again.push(await replicaOf(tenant));
    expect(again).toEqual(first);
    // Both have some.
    expect(new Set(first)).toEqual(new Set([0, 1]));

    // It still accepts calls, but is not ready.
    one.kill('SIGTERM');
    const ofGone = tenants.filter((_, index) => first[index] === 0);
    await until('the other replica', async () => (await replicaOf(ofGone[0] ?? '')) === 1);
    for (const tenant of tenants) expect(await replicaOf(tenant), tenant).toBe(1);
  });
});
