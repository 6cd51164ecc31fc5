/** The registration of proxies in etcd, beside etcd's own proxy under the same prefix. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, etcdBinary, startEtcd } from '../../support/etcd.ts';
import { freePorts } from '../../support/ports.ts';
import { Program } from '../../support/program.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';

let etcd: Etcd;
let direct: GrpcClient;

beforeAll(async () => {
  etcd = await startEtcd();
  direct = grpcClient(etcd.address);
});

afterAll(async () => {
  direct?.[Symbol.dispose]();
  await etcd?.[Symbol.asyncDispose]();
});

async function entries(prefix: string) {
  const range = { key: Buffer.from(`${prefix}/`), range_end: Buffer.from(`${prefix}0`) };
  const { kvs } = await direct.call('etcdserverpb.KV/Range', range);
  return kvs.map(({ key, value, lease }) => ({
    ...{ key: key.toString(), value: value.toString(), lease },
  }));
}

async function memberUrls(address: string): Promise<string> {
  using client = grpcClient(address);
  const { members } = await client.call('etcdserverpb.Cluster/MemberList', {});
  return members
    .flatMap(({ clientURLs }) => clientURLs)
    .toSorted()
    .join();
}

function startRegistered(url: string) {
  return startTestProxy({
    endpoints: [etcd.address],
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'resolver-prefix': 'proxies', 'resolver-ttl': 3, 'advertise-client-url': [url] },
  });
}

test('is the same as that of etcd’s own proxy, and both name both', async () => {
  const [port = 0] = await freePorts(1);
  await using proxy = await startRegistered('http://10.0.0.1:2379');
  using _peer = new Program(
    [
      ...['grpc-proxy', 'start', `--endpoints=${etcd.address}`, `--listen-addr=127.0.0.1:${port}`],
      ...[`--advertise-client-url=127.0.0.1:${port}`, '--resolver-prefix=proxies'],
      '--resolver-ttl=3',
    ],
    {},
    { other: etcdBinary },
  );
  await until('two entries', async () => (await entries('proxies')).length === 2);
  const [own, others] = (await entries('proxies')).map(({ key, value }) => ({
    key,
    value: value.replace(/127\.0\.0\.1:\d+|http:\/\/10\.0\.0\.1:2379/, 'ADDRESS'),
  }));
  expect(own?.value).toBe(others?.value);
  const both = `127.0.0.1:${port},http://10.0.0.1:2379`;
  await until('both members', async () => (await memberUrls(proxy.address('game'))) === both);
  expect(await memberUrls(`127.0.0.1:${port}`)).toBe(both);
  // Tenants have no access to the keys.
  using tenant = grpcClient(proxy.address('game'));
  const all = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
  expect((await tenant.call('etcdserverpb.KV/Range', all)).kvs).toEqual([]);
});

test('is written again after its lease was lost, and is removed when the proxy stops', async () => {
  const proxy = await startRegistered('http://10.0.0.2:2379');
  const own = async () => (await entries('proxies')).find(({ key }) => key.includes('10.0.0.2'));
  await until('the entry', async () => (await own()) !== undefined);
  const before = (await own())?.lease;
  await direct.call('etcdserverpb.Lease/LeaseRevoke', { ID: before ?? '0' });
  await until('another lease', async () => ![undefined, before].includes((await own())?.lease));
  // Longer than the TTL.
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  expect(await own()).toBeDefined();
  await proxy[Symbol.asyncDispose]();
  expect(await own()).toBeUndefined();
});
