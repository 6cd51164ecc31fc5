/** /tenantz: what real calls and watches of two tenants add to it, and what a reload keeps. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { grpcClient, refusal } from '../support/client.ts';
import { type ConfigObject, type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { until } from '../support/until.ts';

const key = Buffer.from('k');
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
});

function configuration(namespaceOfB: string): ConfigObject {
  return {
    endpoints: [etcd.address],
    'admin-addr': '127.0.0.1:0',
    tenants: [
      { name: 'a', namespace: 'tenantz-a/', 'max-open-watches': 10 },
      { name: 'b', namespace: namespaceOfB },
    ],
    listeners: [
      { address: '127.0.0.1:0', tenant: 'a' },
      { address: '127.0.0.2:0', tenant: 'b' },
    ],
  };
}

async function tenantz({ adminAddress }: ConfiguredProxy) {
  const page = await fetch(`http://${adminAddress}/tenantz`);
  const { now, tenants } = (await page.json()) as {
    readonly now: string;
    readonly tenants: readonly Record<string, unknown>[];
  };
  return { now, a: tenants[0], b: tenants[1], count: tenants.length };
}

test('/tenantz has the calls, bytes, durations, watches, feeds and limits of each tenant, through a reload', async () => {
  await using proxy = await startConfigured(configuration('tenantz-b/'));
  const [addressOfA = '', addressOfB = ''] = proxy.addresses;
  using a = grpcClient(addressOfA);
  using b = grpcClient(addressOfB);
  expect(await tenantz(proxy)).toMatchObject({
    count: 2,
    a: { tenant: 'a', namespace: 'tenantz-a/', calls: 0, p50Ms: null, limits: [] },
  });

  for (let i = 0; i < 10; i++) await a.call('etcdserverpb.KV/Put', { key, value: key });
  expect(await refusal(a.call('etcdserverpb.KV/Put', { key: Buffer.alloc(0) }))).toBeTruthy();
  const watch = a.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  await watch.next();
  await b.call('etcdserverpb.KV/Put', { key, value: key });
  const keepAlives = b.stream('etcdserverpb.Lease/LeaseKeepAlive');
  for (const ID of ['7', '8', '7']) {
    await b.call('etcdserverpb.Lease/LeaseGrant', { ID, TTL: 60 }).catch(() => {});
    keepAlives.send({ ID });
    await keepAlives.next();
  }

  const before = await tenantz(proxy);
  expect(Math.abs(Date.parse(before.now) - Date.now())).toBeLessThan(10_000);
  expect(before.a).toMatchObject({
    ...{ calls: 12, errors: 1, refused: 1, openCalls: 0, streams: 1, watches: 1, feeds: 1 },
    breakers: [],
  });
  expect(before.a?.['limits']).toContainEqual({
    ...{ name: 'max-open-watches', used: 1, limit: 10, refused: 0 },
  });
  // Ten requests with a key and a value of one byte each, and ten responses with a header.
  expect(before.a?.['requestBytes']).toBeGreaterThanOrEqual(60);
  expect(before.a?.['responseBytes']).toBeGreaterThan(100);
  const { p50Ms, p99Ms } = before.a as { p50Ms: number; p99Ms: number };
  expect(p50Ms).toBeGreaterThan(0);
  expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
  expect(before.b).toMatchObject({ calls: 5, errors: 1, watches: 0, feeds: 0, leases: 2 });

  await proxy.reload(configuration('tenantz-other/'));
  const after = await tenantz(proxy);
  expect(after.a).toMatchObject({ calls: 12, errors: 1, watches: 1, feeds: 1 });
  // The namespace of b has changed, and with it the tenant.
  expect(after.b).toMatchObject({ namespace: 'tenantz-other/', calls: 0 });

  keepAlives.cancel();
  watch.cancel();
  await until('the end of the watch', async () => (await tenantz(proxy)).a?.['watches'] === 0);
});
