/**
 * The proxy's own token becomes stale while clients only watch: etcd was restarted, the token has expired, or the permissions of its
 * users have changed. Clients without any user do not notice.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { AuthenticatedEtcd } from '../../support/authenticated-etcd.ts';
import { grpcClient } from '../../support/client.ts';
import { startConfigured } from '../../support/configured.ts';

const key = Buffer.from('k');
const create = { create_request: { key } };
const watchPath = 'etcdserverpb.Watch/Watch';

let etcd: AuthenticatedEtcd;

/** Directly, so that the proxy sends nothing. */
const putDirectly = (value: string) => etcd.admin('put', 'game/k', value);

const config = (more: Readonly<Record<string, unknown>> = {}) => ({
  ...etcd.settings,
  tenants: [{ name: 'game', namespace: 'game/' }],
  listeners: [{ address: '127.0.0.1:0', tenant: 'game' }],
  ...more,
});

beforeAll(async () => {
  etcd = await AuthenticatedEtcd.start();
});

afterAll(() => etcd?.[Symbol.asyncDispose]());

const staleBy: readonly (readonly [string, () => Promise<void>])[] = [
  ['a restart of etcd', () => etcd.etcd.restart()],
  ['two seconds without a call', () => new Promise((resolve) => setTimeout(resolve, 4_500))],
  // Raises the revision of the auth store. Such a token is old and not unknown.
  ['a change of users', () => etcd.admin('user', 'add', `someone-${Date.now()}:x`)],
];

test.each(staleBy)('a shared watch goes on after %s, and another one begins', async (_, spoil) => {
  await using proxy = await startConfigured(config());
  using client = grpcClient(proxy.addresses[0] ?? '');
  using watch = client.stream(watchPath);
  watch.send(create);
  expect(await watch.next()).toMatchObject({ created: true, canceled: false });
  await spoil();
  using another = client.stream(watchPath);
  another.send({ create_request: { key: Buffer.from('other'), range_end: Buffer.from('z') } });
  expect(await another.next()).toMatchObject({ created: true, canceled: false });
  await putDirectly('1');
  expect(await watch.next()).toMatchObject({ canceled: false, events: [{ kv: { key } }] });
});

test.each(staleBy)('a watch of its own begins after %s', async (_, spoil) => {
  await using proxy = await startConfigured(config({ 'share-watches': false }));
  using client = grpcClient(proxy.addresses[0] ?? '');
  using first = client.stream(watchPath);
  first.send(create);
  await first.next();
  await spoil();
  using watch = client.stream(watchPath);
  watch.send(create);
  expect(await watch.next()).toMatchObject({ created: true, canceled: false });
  await putDirectly('2');
  expect(await watch.next()).toMatchObject({ canceled: false, events: [{ kv: { key } }] });
});

test('an old stream of a client continues, and a create on it ends it as a lost connection', async () => {
  await using proxy = await startConfigured(config({ 'share-watches': false }));
  using client = grpcClient(proxy.addresses[0] ?? '');
  using watch = client.stream(watchPath);
  watch.send(create);
  await watch.next();
  await new Promise((resolve) => setTimeout(resolve, 4_500));
  // The proxy logs in again.
  await client.call('etcdserverpb.KV/Put', { key, value: key });
  expect(await watch.next()).toMatchObject({ canceled: false, events: [{ kv: { key } }] });
  watch.send(create);
  expect(await watch.ended()).toMatchObject({ code: Code.UNAVAILABLE });
});

test('a range that the user of the proxy may not read is denied as etcd denies it', async () => {
  await using proxy = await startConfigured(
    config({ tenants: [{ name: 'game', namespace: 'elsewhere/' }] }),
  );
  using client = grpcClient(proxy.addresses[0] ?? '');
  using watch = client.stream(watchPath);
  watch.send(create);
  expect(await watch.next()).toMatchObject({
    created: true,
    canceled: true,
    cancel_reason: expect.stringContaining('etcdserver: permission denied'),
  });
});
