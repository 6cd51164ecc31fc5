/**
 * Clients whose credentials are passed to etcd share watches only while they have none: then they have the same identity at etcd as
 * the proxy. A client with a token never gets events through the watch of another one.
 */
import { expect, test } from 'vitest';
import { createLogger } from '../../../src/observe/logger.ts';
import { Reader } from '../../../src/protobuf/reader.ts';
import { Writer } from '../../../src/protobuf/writer.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';
import { grpcClient } from '../../support/client.ts';
import { startEtcd } from '../../support/etcd.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { loadedConfig } from '../../support/loaded-config.ts';
import { until } from '../../support/until.ts';

const key = Buffer.from('k');

test('without a token watches share a feed, and with one they do not', async () => {
  await using etcd = await startEtcd();
  const config = await loadedConfig(
    ...['listen-addr: 127.0.0.1:0', 'admin-addr: ""', 'pass-credentials: true'],
    ...['owner-methods: all', 'min-drain: 0s', 'drain-window: 0s', 'max-drain: 100ms'],
  );
  const [host = '', port = ''] = etcd.address.split(':');
  const endpoint = { name: 'etcd', address: { host, port: Number(port) }, tls: null };
  const logger = createLogger('silent');
  const proxy = await startProxy({ ...config, endpoints: [endpoint] }, { logger });
  const watchers = () => proxy.feeds.reduce((sum, feed) => sum + feed.watchers, 0);
  try {
    using client = grpcClient(proxy.addresses[0] ?? '');
    using first = client.stream('etcdserverpb.Watch/Watch');
    using second = client.stream('etcdserverpb.Watch/Watch');
    for (const watch of [first, second]) {
      watch.send({ create_request: { key } });
      expect((await watch.next()).created).toBe(true);
    }
    await until('a shared feed', async () => watchers() === 2);
    expect(proxy.feeds).toHaveLength(1);

    const through = proxy.addresses[0] ?? '';
    for (const command of [
      'user add root:secret',
      'user grant-role root root',
      'user add other:secret',
    ]) {
      expect(await etcdctl(through, command.split(' '))).toMatchObject({ code: 0 });
    }
    expect(await etcdctl(through, ['auth', 'enable'])).toMatchObject({ code: 0 });
    const tokenOf = async (name: string) => {
      const request = new Writer().string(1, name).string(2, 'secret').finish();
      const reader = new Reader(
        await client.bytes('/etcdserverpb.Auth/Authenticate', Buffer.from(request)),
      );
      let token = '';
      while (reader.next()) if (reader.field === 2) token = Buffer.from(reader.bytes()).toString();
      return { metadata: { token } };
    };
    // etcd decides for each token, whatever is shared already.
    using permitted = client.stream('etcdserverpb.Watch/Watch', await tokenOf('root'));
    permitted.send({ create_request: { key } });
    expect(await permitted.next()).toMatchObject({ created: true, canceled: false });
    using denied = client.stream('etcdserverpb.Watch/Watch', await tokenOf('other'));
    denied.send({ create_request: { key } });
    expect(await denied.next()).toMatchObject({ canceled: true });
    expect(watchers()).toBe(2);
    const put = { key, value: Buffer.from('v') };
    await client.call('etcdserverpb.KV/Put', put, await tokenOf('root'));
    expect((await permitted.next()).events).toHaveLength(1);
  } finally {
    await proxy.drain();
  }
});
