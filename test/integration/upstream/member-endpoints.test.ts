/**
 * Endpoints from the member list and from DNS: an address of the list is used only after it has served etcd of the same cluster. A
 * real etcd, a list as a cluster could have it, and a DNS server on loopback.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { EndpointSource } from '../../../src/discovery/endpoint-source.ts';
import { NativeClientTransport } from '../../../src/grpc/native/client.ts';
import { createLogger } from '../../../src/observe/logger.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { memberEndpoints } from '../../../src/upstream/member-endpoints.ts';
import { grpcClient } from '../../support/client.ts';
import { startCluster } from '../../support/cluster.ts';
import { encodeResponse } from '../../support/codec.ts';
import { DnsServer } from '../../support/dns-server.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { FakeEtcd } from '../../support/fake-etcd.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { Sidecar } from '../../support/sidecar.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

let etcd: Etcd;
let other: Etcd;

beforeAll(async () => {
  [etcd, other] = await Promise.all([startEtcd(), startEtcd()]);
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
});

const tls = {
  ...{ authorities: null, certificate: null, key: null, serverName: null },
  skipVerification: false,
};

async function clusterId(): Promise<bigint> {
  using client = grpcClient(etcd.address);
  const { header } = await client.call('etcdserverpb.Maintenance/Status', {});
  return BigInt(header?.cluster_id ?? 0);
}

/** The endpoints for a list with these members, of which `inUse` serve calls already, by ID. */
async function endpointsFor(
  members: readonly object[],
  inUse: ReadonlyMap<bigint, string> = new Map(),
  requiresTls = false,
  known: ReadonlyMap<bigint, string> = inUse,
) {
  const upstream = Object.assign(new FakeEtcd<'store'>(), {
    clusterId: await clusterId(),
    namesByMember: inUse,
    knownNamesByMember: known,
  });
  upstream.onCall = (call) =>
    call.respond(encodeResponse('etcdserverpb.Cluster/MemberList', { members }));
  const transport = new NativeClientTransport({
    ...{ clock: systemClock, random: systemRandom, memory: memoryOf() },
    onFault: (fault) => {
      throw fault;
    },
  });
  return memberEndpoints({
    ...{ upstream, transport, clock: systemClock, tls: () => tls },
    requiresTls: () => requiresTls,
  });
}

const member = (ID: string, clientURLs: string[], more: object = {}) => ({
  ...{ ID, name: `m${ID}`, clientURLs },
  ...more,
});

test('only addresses of started voters that serve etcd of the same cluster are used', async () => {
  const silent = createServer();
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve);
  });
  const { port } = silent.address() as { port: number };
  const url = `http://${etcd.address}`;
  const found = await endpointsFor([
    member('1', ['http://127.0.0.1:1', url]),
    member('2', [url.replace('127.0.0.1', 'localhost')], { isLearner: true }),
    member('3', [url.replace('127.0.0.1', 'localhost')], { name: '' }),
    member('4', []),
    member('5', ['http://127.0.0.1:1']),
    member('6', [`http://127.0.0.1:${port}`]),
    member('7', [`http://${other.address}`]),
    member('8', [url.replace('http:', 'https:')]),
    member('9', ['not an address', 'http://']),
  ]);
  silent.close();
  expect(found).toEqual([url]);
});

test('an endpoint in use keeps its name, and is not replaced by an address that cannot be reached', async () => {
  const inUse = new Map([[1n, 'etcd.games.svc:2379']]);
  const found = await endpointsFor([member('1', ['http://127.0.0.1:1'])], inUse);
  expect(found).toEqual(['etcd.games.svc:2379']);
});

test('an endpoint that is down keeps its name, unless its member can be reached elsewhere', async () => {
  const known = new Map([
    [1n, 'down.games.svc:2379'],
    [2n, 'moved.games.svc:2379'],
    [3n, 'removed.games.svc:2379'],
  ]);
  const url = `http://${etcd.address}`;
  const members = [member('1', ['http://127.0.0.1:1']), member('2', [url])];
  const found = await endpointsFor(members, new Map(), false, known);
  expect(found).toEqual(['down.games.svc:2379', url]);
});

test('an address without TLS is not used if all endpoints have TLS', async () => {
  const members = [member('1', [`http://${etcd.address}`])];
  expect(await endpointsFor(members, new Map(), true)).toBeNull();
});

test('without an address that can be reached, the configured endpoints stay', async () => {
  expect(await endpointsFor([member('1', ['http://127.0.0.1:1'])])).toBeNull();
  expect(await endpointsFor([])).toBeNull();
});

interface Upstreamz {
  readonly endpoints: readonly { readonly name: string; readonly state: string }[];
}

test('a program with workers learns the other members, also while its file is not valid', async () => {
  using directory = new TemporaryDirectory('member-endpoints');
  const file = join(directory.path, 'config.yaml');
  writeFileSync(file, 'hold: 5s');
  await using cluster = await startCluster(3);
  const [first, second, third] = cluster.members;
  if (!first || !second || !third) throw new Error('three members were expected');
  await using sidecar = await Sidecar.start(
    ...[`--endpoints=${first.address}`, '--endpoints-auto-sync-interval=2s'],
    ...['--workers=2', '--log-level=info', `--config=${file}`],
  );
  writeFileSync(file, 'hold: x');
  const ready = async () => {
    const { endpoints } = JSON.parse(await sidecar.page('/upstreamz')) as Upstreamz;
    return endpoints.filter(({ state }) => state === 'ready').map(({ name }) => name);
  };
  const all = [first.address, `http://${second.address}`, `http://${third.address}`];
  await until(
    'all members',
    async () => (await ready()).toSorted().join() === all.toSorted().join(),
  );
  await first.kill();
  using client = grpcClient(sidecar.address);
  const put = { key: Buffer.from('k'), value: Buffer.from('v') };
  // The member may have been the leader.
  await until('a put', async () => {
    return (await client.call('etcdserverpb.KV/Put', put).catch(() => null)) !== null;
  });
  await until('the members that are left', async () => (await ready()).length === 2);
  expect(sidecar.printed).toContain('reload failed');
  expect(sidecar.printed).not.toContain('"event":"reloaded"');
  expect(sidecar.printed.split('"event":"configuration applied"')).toHaveLength(2);
});

test('endpoints from DNS are followed when the cluster moves', async () => {
  await using dns = await DnsServer.start();
  await using moved = await startEtcd();
  const record = (address: string) => ({
    name: 'localhost',
    port: Number(address.slice(address.lastIndexOf(':') + 1)),
  });
  dns.records.set('_etcd-client._tcp.etcd.example', [record(etcd.address)]);
  const clock = systemClock;
  const source = new EndpointSource({ clock, random: systemRandom, resolver: dns.resolver() });
  const settings = {
    ...{ 'discovery-srv': 'etcd.example', 'insecure-discovery': true, 'discovery-interval': '1s' },
    ...{
      'listen-addr': '127.0.0.1:0',
      'admin-addr': '',
      'log-level': 'error',
      'max-drain': '100ms',
    },
    ...{ 'min-drain': '0s', 'drain-window': '0s' },
  };
  const load = () =>
    loadConfig({
      flags: new Map(),
      environment: {},
      file: { name: 'c.yaml', text: JSON.stringify(settings) },
      checkTenants: () => [],
      endpoints: (read) => source.endpoints(read),
    });
  const { config } = await load();
  if (config === null) throw new Error('the configuration has problems');
  const logger = createLogger('silent');
  const proxy = await startProxy(config, { logger });
  source.start({ user: proxy, logger, onChange: async () => proxy.replaceEndpoints(source.found) });
  try {
    using client = grpcClient(proxy.addresses[0] ?? '');
    const put = { key: Buffer.from('k'), value: Buffer.from('v') };
    await client.call('etcdserverpb.KV/Put', put);
    dns.mode = 'fail';
    await until('another query', async () => dns.queries.length > 4);
    await client.call('etcdserverpb.KV/Put', put);
    dns.records.set('_etcd-client._tcp.etcd.example', [record(moved.address)]);
    dns.mode = 'answer';
    using direct = grpcClient(moved.address);
    await until('a put at the new place', async () => {
      await client.call('etcdserverpb.KV/Put', put).catch(() => null);
      return (await direct.call('etcdserverpb.KV/Range', { key: put.key })).kvs.length === 1;
    });
  } finally {
    source.close();
    await proxy.drain();
  }
});
