/** Leases that a client behind the proxy shares with a client that adds the prefix to its keys itself, as Go's namespace package does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type ConfiguredProxy, startConfigured } from '../../support/configured.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { metric } from '../../support/exposition.ts';
import { until } from '../../support/until.ts';

const notFound = { code: Code.NOT_FOUND, details: 'etcdserver: requested lease not found' };
const text = (value: string) => Buffer.from(value);

const owned = new AsyncDisposableStack();
let etcd: Etcd;
let proxy: ConfiguredProxy;
/** Sees the keys of the namespace without the prefix. */
let proxied: GrpcClient;
/** Sees everything. */
let direct: GrpcClient;

const configuration = () => ({
  endpoints: [etcd.address],
  tenants: [{ name: 'game', namespace: 'game/' }],
  listeners: [{ address: '127.0.0.1:0', tenant: 'game' }],
  'lease-ids': 'cluster',
  'admin-addr': '127.0.0.1:0',
});

beforeAll(async () => {
  etcd = owned.use(await startEtcd());
  proxy = owned.use(await startConfigured(configuration()));
  proxied = owned.use(grpcClient(proxy.addresses[0] ?? ''));
  direct = owned.use(grpcClient(etcd.address));
});

afterAll(() => owned.disposeAsync());

async function grantAt(client: GrpcClient, TTL: number): Promise<string> {
  return (await client.call('etcdserverpb.Lease/LeaseGrant', { TTL })).ID;
}

const put = (client: GrpcClient, key: string, lease: string) =>
  client.call('etcdserverpb.KV/Put', { key: text(key), lease });
const revoke = (client: GrpcClient, ID: string) =>
  client.call('etcdserverpb.Lease/LeaseRevoke', { ID });

async function renew(client: GrpcClient, ID: string): Promise<string> {
  using stream = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
  stream.send({ ID });
  return (await stream.next()).TTL;
}

async function keysOf(client: GrpcClient, ID: string): Promise<string[]> {
  const { keys } = await client.call('etcdserverpb.Lease/LeaseTimeToLive', { ID, keys: true });
  return keys.map(String).toSorted();
}

async function leaseOf(client: GrpcClient, key: string): Promise<string | undefined> {
  const { kvs } = await client.call('etcdserverpb.KV/Range', { key: text(key) });
  return kvs[0]?.lease;
}

describe.each(['the proxy', 'the other client'])('a lease that %s has granted', (granter) => {
  const [one, other] =
    granter === 'the proxy' ? [() => proxied, () => direct] : [() => direct, () => proxied];
  const key = (client: GrpcClient, name: string) => (client === direct ? `game/${name}` : name);

  test('has one ID and holds keys of both, which both see', async () => {
    const ID = await grantAt(one(), 600);
    expect(BigInt(ID)).toBeGreaterThan(2n ** 31n);
    await put(one(), key(one(), 'a'), ID);
    await put(other(), key(other(), 'b'), ID);
    for (const client of [one(), other()]) {
      expect(await leaseOf(client, key(client, 'a'))).toBe(ID);
      expect(await leaseOf(client, key(client, 'b'))).toBe(ID);
      expect(await keysOf(client, ID)).toEqual([key(client, 'a'), key(client, 'b')]);
      const { leases } = await client.call('etcdserverpb.Lease/LeaseLeases', {});
      expect(leases.map((lease) => lease.ID)).toContain(ID);
      expect(await renew(client, ID)).toBe('600');
    }
    await revoke(other(), ID);
    expect(await leaseOf(one(), key(one(), 'a'))).toBeUndefined();
    await expect(revoke(one(), ID)).rejects.toMatchObject(notFound);
  });

  test('lives as long as one of them renews it', async () => {
    const ID = await grantAt(one(), 1);
    await put(one(), key(one(), 'c'), ID);
    const renewUntil = async (client: GrpcClient, ms: number) => {
      const end = performance.now() + ms;
      using stream = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
      while (performance.now() < end) {
        stream.send({ ID });
        expect(await stream.next()).toMatchObject({ ID, TTL: '1' });
        await stream.drain(250);
      }
    };
    await renewUntil(other(), 1_500);
    await renewUntil(one(), 1_500);
    expect(await leaseOf(other(), key(other(), 'c'))).toBe(ID);
    await until('the end of the lease', async () => {
      return (await leaseOf(direct, 'game/c')) === undefined;
    });
  });
});

describe('a lease that holds keys of others', () => {
  test.each([
    ['only', []],
    ['among keys of the tenant', ['game/mixed']],
  ])('%s is neither revoked nor renewed, and those keys are not shown', async (_, own) => {
    const ID = await grantAt(direct, 600);
    for (const key of ['gamer/x', 'other/y', ...own]) await put(direct, key, ID);
    await expect(revoke(proxied, ID)).rejects.toMatchObject(notFound);
    expect(await renew(proxied, ID)).toBe('0');
    expect(await keysOf(proxied, ID)).toEqual(own.map((key) => key.slice('game/'.length)));
    expect(await leaseOf(direct, 'gamer/x')).toBe(ID);
    await revoke(direct, ID);
  });

  test('is not revoked either if it had none when the tenant first renewed it', async () => {
    const ID = await grantAt(direct, 600);
    expect(await renew(proxied, ID)).toBe('600');
    await put(proxied, 'mine', ID);
    expect(await renew(proxied, ID)).toBe('600');
    await put(direct, 'other/z', ID);
    await expect(revoke(proxied, ID)).rejects.toMatchObject(notFound);
    expect(await leaseOf(direct, 'other/z')).toBe(ID);
  });

  test('is no violation of the namespace, and its checks are counted', async () => {
    expect(await metric(proxy, 'etcd_bulkhead_namespace_violation_total')).toBe(0);
    expect(await metric(proxy, 'etcd_bulkhead_lease_checks_total{owner="foreign"}')).toBe(5);
    expect(await metric(proxy, 'etcd_bulkhead_lease_checks_total{owner="failed"}')).toBeNull();
  });
});

test('a reload that adds a second tenant is rejected, and one that seals the IDs is applied', async () => {
  const tenants = [
    { name: 'game', namespace: 'game/' },
    { name: 'second', namespace: 'second/' },
  ];
  const ID = await grantAt(proxied, 600);
  await proxy.reload({ ...configuration(), tenants });
  await put(proxied, 'kept', ID);
  expect(await metric(proxy, 'etcd_bulkhead_config_last_reload_successful')).toBe(0);
  await proxy.reload({ ...configuration(), tenants, 'lease-ids': 'namespaced' });
  expect(await metric(proxy, 'etcd_bulkhead_config_last_reload_successful')).toBe(1);
  await expect(put(proxied, 'lost', ID)).rejects.toMatchObject(notFound);
  expect(BigInt(await grantAt(proxied, 600))).toBeLessThan(2n ** 31n);
});
