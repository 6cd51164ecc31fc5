/**
 * Leases of two proxies that do not know of each other, as two sidecars with one namespace each: no choice of a namespace
 * gives access to the leases of another one.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keySpace } from '../../src/etcd/key-space.ts';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { metric } from '../support/exposition.ts';

const notFound = { code: Code.NOT_FOUND, details: 'etcdserver: requested lease not found' };
const violations = 'etcd_bulkhead_namespace_violation_total';

let etcd: Etcd;
let direct: GrpcClient;
const owned = new AsyncDisposableStack();

beforeAll(async () => {
  etcd = await startEtcd();
  direct = grpcClient(etcd.address);
  owned.use(etcd);
  owned.use(direct);
});

afterAll(() => owned.disposeAsync());

async function sidecar(namespace: string): Promise<{ proxy: ConfiguredProxy; client: GrpcClient }> {
  const proxy = owned.use(
    await startConfigured({
      endpoints: [etcd.address],
      namespace,
      'listen-addr': '127.0.0.1:0',
      'admin-addr': '127.0.0.1:0',
    }),
  );
  return { proxy, client: owned.use(grpcClient(proxy.addresses[0] ?? '')) };
}

test('two namespaces whose hashes once collided share no lease', async () => {
  const { client: victim } = await sidecar('game-855/');
  const { client: attacker } = await sidecar('pod-u8sabaaa/');
  const { ID } = await victim.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 });
  await victim.call('etcdserverpb.KV/Put', { key: Buffer.from('k'), lease: ID });

  expect((await attacker.call('etcdserverpb.Lease/LeaseLeases', {})).leases).toEqual([]);
  await expect(attacker.call('etcdserverpb.Lease/LeaseRevoke', { ID })).rejects.toMatchObject(
    notFound,
  );
  const renewals = owned.use(attacker.stream('etcdserverpb.Lease/LeaseKeepAlive'));
  renewals.send({ ID });
  expect(await renewals.next()).toMatchObject({ ID, TTL: '0' });
  const { kvs } = await victim.call('etcdserverpb.KV/Range', { key: Buffer.from('k') });
  expect(kvs.map(({ lease }) => lease)).toEqual([ID]);
});

test('a lease with an ID of the namespace and only foreign keys is neither revoked nor renewed', async () => {
  const { proxy, client } = await sidecar('lucky/');
  const visible = '7';
  const ID = String(keySpace(Buffer.from('lucky/')).leases.stored(Number(visible)));
  await direct.call('etcdserverpb.Lease/LeaseGrant', { ID, TTL: 60 });
  await direct.call('etcdserverpb.KV/Put', { key: Buffer.from('unlucky/k'), lease: ID });

  const revoke = client.call('etcdserverpb.Lease/LeaseRevoke', { ID: visible });
  await expect(revoke).rejects.toMatchObject(notFound);
  const renewals = owned.use(client.stream('etcdserverpb.Lease/LeaseKeepAlive'));
  renewals.send({ ID: visible });
  expect(await renewals.next()).toMatchObject({ ID: visible, TTL: '0' });
  expect(
    (await direct.call('etcdserverpb.KV/Range', { key: Buffer.from('unlucky/k') })).count,
  ).toBe('1');
  expect(await metric(proxy, violations)).toBe(2);

  await client.call('etcdserverpb.KV/Put', { key: Buffer.from('k'), lease: visible });
  await client.call('etcdserverpb.Lease/LeaseRevoke', { ID: visible });
  expect((await client.call('etcdserverpb.KV/Range', { key: Buffer.from('k') })).count).toBe('0');
});
