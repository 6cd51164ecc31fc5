/** Which clients get reads from memory, and that no client gets the memory of another tenant. */
import { expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { AuthenticatedEtcd } from '../../support/authenticated-etcd.ts';
import { grpcClient, type Refused, refusal } from '../../support/client.ts';
import { logIn, startConfigured } from '../../support/configured.ts';
import { startEtcd } from '../../support/etcd.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { metric } from '../../support/exposition.ts';
import { until } from '../../support/until.ts';
import { CachedEtcd, everything, list, prefix, put } from './cached-etcd.ts';

test('tenants with equal visible ranges have memory of their own', async () => {
  const names = ['red', 'redder', 'blue'];
  await using cached = await CachedEtcd.start({
    // The second namespace comes directly after the first.
    tenants: names.map((name) => ({
      name,
      namespace: name === 'redder' ? 'red0' : `${name}/`,
      'allow-undelimited': true,
    })),
  });
  const clients = names.map((name) => ({ name, client: cached.client(name) }));
  for (const { name, client } of clients) {
    await put(client, 'k/a', name);
    await cached.warm(client, everything);
  }
  const hits = await cached.hits();
  for (let i = 0; i < 30; i++) {
    await Promise.all(
      clients.map(async ({ name, client }) => {
        await put(client, 'k/b', `${name} ${i}`);
        for (const range of [prefix('k/'), everything]) {
          const read = await list(client, { ...range, serializable: i % 2 === 0 });
          expect(read.keys).toEqual([`k/a=${name}`, `k/b=${name} ${i}`]);
        }
      }),
    );
  }
  expect(await cached.hits()).toBeGreaterThan(hits);
  expect(await cached.value('ranges')).toBe(3);
});

test('a read-only tenant reads from memory, and its writes are rejected', async () => {
  await using cached = await CachedEtcd.start({
    tenants: [{ name: 'reader', namespace: 'reader/', access: 'read-only' }],
  });
  const client = cached.client('reader');
  const direct = cached.direct();
  await put(direct, 'reader/k/0', 'v');
  await cached.warm(client, prefix('k/'));
  const hits = await cached.hits();
  const range = { ...prefix('k/'), serializable: true };
  expect((await list(client, range)).keys).toEqual(['k/0=v']);
  const { code } = await refusal(put(client, 'k/0', 'mine'));
  expect(code).toBe(Code.PERMISSION_DENIED);
  expect((await list(client, range)).keys).toEqual(['k/0=v']);
  expect(await cached.hits()).toBe(hits + 2);
});

test('one tenant has cache-reads and another one does not', async () => {
  await using cached = await CachedEtcd.start({
    tenants: [
      { name: 'on', namespace: 'on/' },
      { name: 'off', namespace: 'off/', 'cache-reads': false },
    ],
  });
  const [on, off] = [cached.client('on'), cached.client('off')];
  for (const client of [on, off]) await put(client, 'k/0', 'v');
  await cached.warm(on, prefix('k/'));
  using watch = off.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: prefix('k/') });
  await watch.next();
  const before = { hits: await cached.hits(), misses: await cached.misses() };
  for (let i = 0; i < 5; i++) {
    const read = await list(off, { ...prefix('k/'), serializable: true });
    expect(read.keys).toEqual(['k/0=v']);
  }
  expect(await cached.hits()).toBe(before.hits);
  // Reads of a tenant without the setting are not counted.
  expect(await cached.misses()).toBe(before.misses);
  await list(on, { ...prefix('k/'), serializable: true });
  expect(await cached.hits()).toBe(before.hits + 1);
  expect(await cached.value('ranges')).toBe(1);
});

test('a reload turns it off and on again', async () => {
  await using etcd = await startEtcd();
  const configuration = (isOn: boolean) => ({
    endpoints: [etcd.address],
    'cache-reads': isOn,
    'admin-addr': '127.0.0.1:0',
    tenants: [{ name: 'game', namespace: 'game/' }],
    listeners: [{ address: '127.0.0.1:0', tenant: 'game' }],
  });
  await using proxy = await startConfigured(configuration(true));
  using client = grpcClient(proxy.addresses[0] ?? '');
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: prefix('k/') });
  await watch.next();
  const hits = async () =>
    Number(await metric(proxy, 'etcd_bulkhead_cache_hits_total{kind="serializable"}'));
  const read = async () => (await list(client, { ...prefix('k/'), serializable: true })).keys;
  const isServed = async () => {
    const before = await hits();
    await read();
    return (await hits()) > before;
  };
  await put(client, 'k/0', '0');
  await until('read from memory', isServed);
  await proxy.reload(configuration(false));
  await put(client, 'k/0', '1');
  expect(await isServed()).toBe(false);
  expect(await read()).toEqual(['k/0=1']);
  await proxy.reload(configuration(true));
  await put(client, 'k/0', '2');
  await until('read from memory', isServed);
  expect(await read()).toEqual(['k/0=2']);
});

test("tenants that a reload gives each other's namespace, name or a new namespace read only what is theirs now", async () => {
  await using etcd = await startEtcd();
  using direct = grpcClient(etcd.address);
  for (const namespace of ['a/', 'b/', 'c/']) await put(direct, `${namespace}k/0`, namespace);
  const configuration = (namespaces: readonly [string, string], names = ['red', 'blue']) => ({
    endpoints: [etcd.address],
    'cache-reads': true,
    'admin-addr': '127.0.0.1:0',
    tenants: names.map((name, i) => ({ name, namespace: namespaces[i] })),
    listeners: names.map((tenant, i) => ({ address: `127.0.0.${i + 1}:0`, tenant })),
  });
  await using proxy = await startConfigured(configuration(['a/', 'b/']));
  const hits = () => metric(proxy, 'etcd_bulkhead_cache_hits_total{kind="serializable"}');
  const steps = [
    ['a/', 'b/'],
    ['b/', 'a/'],
    ['c/', 'a/'],
    ['a/', 'c/'],
  ] as const;
  for (const [i, namespaces] of steps.entries()) {
    await proxy.reload(configuration(namespaces));
    if (i === 3) await proxy.reload(configuration(namespaces, ['blue', 'red']));
    for (const [j, namespace] of namespaces.entries()) {
      using client = grpcClient(proxy.addresses[j] ?? '');
      using watch = client.stream('etcdserverpb.Watch/Watch');
      watch.send({ create_request: prefix('k/') });
      await watch.next();
      const before = await hits();
      await until('read from memory', async () => {
        const read = await list(client, { ...prefix('k/'), serializable: true });
        expect(read.keys).toEqual([`k/0=${namespace}`]);
        return (await hits()) !== before;
      });
      expect((await list(client, prefix('k/'))).keys).toEqual([`k/0=${namespace}`]);
    }
  }
});

test('reads from memory end when etcd revokes the permission of the proxy', async () => {
  await using authenticated = await AuthenticatedEtcd.start();
  await using proxy = await startConfigured({
    ...authenticated.settings,
    'cache-reads': true,
    'admin-addr': '127.0.0.1:0',
    tenants: [{ name: 'game', namespace: 'game/' }],
    listeners: [{ address: '127.0.0.1:0', tenant: 'game' }],
  });
  using client = grpcClient(proxy.addresses[0] ?? '');
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: prefix('k/') });
  await watch.next();
  await put(client, 'k/0', 'v');
  const hits = async () =>
    Number(await metric(proxy, 'etcd_bulkhead_cache_hits_total{kind="serializable"}'));
  const read = () => list(client, { ...prefix('k/'), serializable: true });
  await until('read from memory', async () => {
    expect((await read()).keys).toEqual(['k/0=v']);
    return (await hits()) > 0;
  });
  // The permission for other keys of the namespace remains: the one that a fence reads, for example.
  await authenticated.admin('role', 'grant-permission', 'games', 'readwrite', 'game/', 'game/a');
  await authenticated.admin('role', 'revoke-permission', 'games', 'game/', '--prefix');
  const refused = async (request: object) =>
    await list(client, { ...prefix('k/'), ...request }).then(
      () => 0,
      (error: Refused) => error.code,
    );
  await until('refusal', async () => (await refused({ serializable: true })) > 0);
  const served = await hits();
  for (const serializable of [true, false]) {
    expect(await refused({ serializable })).toBe(Code.PERMISSION_DENIED);
  }
  expect(await hits()).toBe(served);
});

test('clients with credentials of their own are judged by etcd at every read (etcd#22065)', async () => {
  await using etcd = await startEtcd();
  await using proxy = await startConfigured({
    endpoints: [etcd.address],
    'pass-credentials': true,
    'cache-reads': true,
    'owner-methods': 'all',
    'admin-addr': '127.0.0.1:0',
    'listen-addr': '127.0.0.1:0',
  });
  const address = proxy.addresses[0] ?? '';
  for (const command of [
    'put k/0 secret',
    'user add root:secret',
    'user grant-role root root',
    'user add other:secret',
    'auth enable',
  ]) {
    expect(await etcdctl(etcd.address, command.split(' '))).toMatchObject({ code: 0 });
  }
  using client = grpcClient(address);
  const options = async (user: string) => ({
    metadata: { token: await logIn(client, user, 'secret') },
  });
  const root = await options('root');
  const other = await options('other');
  using watch = client.stream('etcdserverpb.Watch/Watch', root);
  watch.send({ create_request: prefix('k/') });
  await watch.next();
  for (let i = 0; i < 4; i++) {
    const request = { ...prefix('k/'), serializable: true };
    const { kvs } = await client.call('etcdserverpb.KV/Range', request, root);
    expect(kvs.map(({ value }) => value.toString())).toEqual(['secret']);
    const denied = client.call('etcdserverpb.KV/Range', request, other);
    expect((await refusal(denied)).code).toBe(Code.PERMISSION_DENIED);
    const anonymous = client.call('etcdserverpb.KV/Range', request);
    expect((await refusal(anonymous)).code).toBe(Code.INVALID_ARGUMENT);
  }
  const missed = 'etcd_bulkhead_cache_misses_total{reason="credentials"}';
  expect(await metric(proxy, missed)).toBe(8);
  expect(await metric(proxy, 'etcd_bulkhead_cache_hits_total{kind="serializable"}')).toBe(0);
});
