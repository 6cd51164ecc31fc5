/** A lease expires when etcd says, not later for the other keepalives that use the same streams. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { grpcClient } from '../../support/client.ts';
import { startEtcd } from '../../support/etcd.ts';
import { metric } from '../../support/exposition.ts';
import {
  grant,
  keepAliveMethod,
  startProxyTo,
  startRenewing,
  stopAll,
} from '../../support/renewing.ts';

test('a lease that is no longer renewed expires in time beside 1,000 others that are', async () => {
  await using stack = new AsyncDisposableStack();
  const etcd = stack.use(await startEtcd());
  const proxy = stack.use(await startProxyTo([etcd.address]));
  const clients = Array.from({ length: 20 }, () => stack.use(grpcClient(proxy.address('game'))));
  const others = await startRenewing(clients, 1_000, 60, 1_000);
  const ttlSeconds = 2;
  // The stream of one owner stays open without requests, that of the other is closed.
  for (const closes of [false, true]) {
    const owner = stack.use(grpcClient(proxy.address('game')));
    const ID = await grant(owner, ttlSeconds);
    const key = Buffer.from(`owned-${closes}`);
    await owner.call('etcdserverpb.KV/Put', { key, value: key, lease: ID });
    using watch = owner.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    await watch.next();
    using stream = owner.stream(keepAliveMethod);
    for (let i = 0; i < 4; i += 1) {
      stream.send({ ID });
      expect((await stream.next()).TTL).toBe(String(ttlSeconds));
      if (i < 3) await sleep(1_000);
    }
    const renewedAt = performance.now();
    if (closes) stream.cancel();
    const { events } = await watch.next();
    expect(events.map(({ type }) => type)).toEqual(['DELETE']);
    const expiredMs = performance.now() - renewedAt;
    expect(expiredMs).toBeGreaterThan(ttlSeconds * 1_000 - 250);
    expect(expiredMs).toBeLessThan((ttlSeconds + 1) * 1_000);
  }
  expect(await metric(proxy, 'etcd_bulkhead_keepalive_client_streams')).toBeGreaterThan(999);
  expect(await metric(proxy, 'etcd_bulkhead_keepalive_upstream_streams')).toBeLessThanOrEqual(4);
  expect(await stopAll(others)).toEqual([null]);
});
