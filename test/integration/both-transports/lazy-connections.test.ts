/** A proxy dials what its clients use: most sidecars have one watch and one lease, and there are thousands of sidecars. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { Relay } from '../../support/relay.ts';
import { until } from '../../support/until.ts';

const key = Buffer.from('k');

let cluster: Cluster;
const relays: Relay[] = [];

beforeAll(async () => {
  cluster = await startCluster(3);
  for (const member of cluster.members) relays.push(await Relay.to(member.address));
});

afterAll(async () => {
  for (const relay of relays) await relay[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
});

const connections = () => relays.reduce((sum, relay) => sum + relay.connections, 0);

function startProxy(settings: Readonly<Record<string, unknown>> = {}) {
  return startTestProxy({
    endpoints: relays.map(({ address }) => address),
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings,
  });
}

test('one watch and one lease need five connections to three members', async () => {
  await using proxy = await startProxy();
  using client = grpcClient(proxy.address('game'));
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  expect(await watch.next()).toMatchObject({ created: true });
  const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 });
  using lease = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
  for (let i = 0; i < 3; i++) {
    lease.send({ ID });
    expect(await lease.next()).toMatchObject({ ID, TTL: '60' });
  }
  await client.call('etcdserverpb.KV/Put', { key, lease: ID });
  expect(await watch.next()).toMatchObject({ events: [{ kv: { key } }] });
  expect(connections()).toBe(5);
});

test('a first watch is not rejected while its connection is dialed, also if calls are not held', async () => {
  await using proxy = await startProxy({ hold: '0s', 'share-watches': false });
  using client = grpcClient(proxy.address('game'));
  await until('connections', () =>
    client.call('etcdserverpb.KV/Put', { key }).then(
      () => true,
      () => false,
    ),
  );
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  expect(await watch.next()).toMatchObject({ created: true });
});

test('a watch whose only connection breaks continues, with all that happened meanwhile', async () => {
  await using proxy = await startProxy();
  using client = grpcClient(proxy.address('game'));
  using direct = grpcClient(cluster.members[0]?.address ?? '');
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  await watch.next();
  for (let i = 0; i < 5; i++) {
    for (const relay of relays) relay.cut();
    const put = await direct.call('etcdserverpb.KV/Put', { key: Buffer.from('game/k') });
    expect(await watch.next()).toMatchObject({
      events: [{ kv: { mod_revision: put.header?.revision } }],
    });
  }
});
