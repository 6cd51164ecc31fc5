/** The proxy as a user of an etcd that has authentication on: it logs in, stays logged in, and clients notice nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { AuthenticatedEtcd, asRoot } from '../../support/authenticated-etcd.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { logIn, startConfigured } from '../../support/configured.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { until } from '../../support/until.ts';

const key = Buffer.from('k');

let etcd: AuthenticatedEtcd;

function config(more: Readonly<Record<string, unknown>> = {}) {
  return {
    ...etcd.settings,
    tenants: [{ name: 'game', namespace: 'game/' }],
    listeners: [
      { address: '127.0.0.1:0', tenant: 'game' },
      { address: '127.0.0.2:0', tenant: 'game', 'pass-credentials': true },
    ],
    ...more,
  };
}

beforeAll(async () => {
  etcd = await AuthenticatedEtcd.start();
});

afterAll(() => etcd?.[Symbol.asyncDispose]());

describe('an etcd with authentication on', () => {
  test('is used by clients that know nothing of it', async () => {
    await using proxy = await startConfigured(config());
    const [address = ''] = proxy.addresses;
    expect(await etcdctl(address, ['put', 'a', '1'])).toMatchObject({ code: 0 });
    expect((await etcdctl(address, ['get', 'a'])).out).toBe('a\n1\n');
  });

  test('refuses an expired token, and no call shows it: neither reads nor writes nor watches', async () => {
    await using proxy = await startConfigured(config());
    using client = grpcClient(proxy.addresses[0] ?? '');
    const put = () => client.call('etcdserverpb.KV/Put', { key, value: key });
    const before = (await put()).header?.revision;
    // Simple tokens are looked for once a second.
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    const many = await Promise.all(Array.from({ length: 20 }, put));
    // Each was applied once.
    const revisions = new Set(many.map(({ header }) => Number(header?.revision)));
    expect(revisions.size).toBe(20);
    expect(Math.max(...revisions)).toBe(Number(before) + 20);
    const watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    expect(await watch.next()).toMatchObject({ created: true, canceled: false });
  });

  test('does not end shared watches whose token was replaced', async () => {
    await using proxy = await startConfigured(config());
    using client = grpcClient(proxy.addresses[0] ?? '');
    using watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    await watch.next();
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    const { header } = await client.call('etcdserverpb.KV/Put', { key, value: key });
    expect(await watch.next()).toMatchObject({
      canceled: false,
      events: [{ kv: { key, mod_revision: header?.revision } }],
    });
  });

  test('that is restarted forgets its tokens, and the proxy logs in again', async () => {
    await using proxy = await startConfigured(config());
    using client = grpcClient(proxy.addresses[0] ?? '');
    await client.call('etcdserverpb.KV/Put', { key, value: key });
    await etcd.etcd.restart();
    await client.call('etcdserverpb.KV/Put', { key, value: key });
  });

  test('that does not take the password makes calls wait, and then fail, until a reload has the right one', async () => {
    etcd.writePassword('wrong');
    await using proxy = await startConfigured(config({ hold: '300ms' }));
    using client = grpcClient(proxy.addresses[0] ?? '');
    expect(await refusal(client.call('etcdserverpb.KV/Range', { key }))).toMatchObject({
      code: Code.UNAVAILABLE,
      details: 'etcd-bulkhead: no connection to etcd, or it was lost',
    });
    etcd.writePassword('s3cret');
    await proxy.reload(config({ hold: '300ms' }));
    await until('answer', () =>
      client.call('etcdserverpb.KV/Range', { key }).then(
        () => true,
        () => false,
      ),
    );
  });

  test('judges the clients themselves where their credentials are passed on', async () => {
    await using proxy = await startConfigured(config());
    const [, address = ''] = proxy.addresses;
    using client = grpcClient(address);
    expect(await refusal(client.call('etcdserverpb.KV/Range', { key }))).toMatchObject({
      details: 'etcdserver: user name is empty',
    });
    expect(await refusal(logIn(client, 'root', 'wrong'))).toMatchObject({
      details: 'etcdserver: authentication failed, invalid user ID or password',
    });
    const { out } = await etcdctl(address, [asRoot, 'get', 'k', '--keys-only']);
    expect(out).toContain('k');
    const metadata = { token: 'forged' };
    expect(
      await refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata })),
    ).toMatchObject({
      details: 'etcdserver: invalid auth token',
    });
  });
});
