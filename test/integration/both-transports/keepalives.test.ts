/** Shared keepalives with real etcds: no lease expires and no stream ends when a member dies or hangs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { grpcClient } from '../../support/client.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { metric } from '../../support/exposition.ts';
import {
  grant,
  keepAliveMethod,
  startProxyTo,
  startRenewing,
  stopAll,
} from '../../support/renewing.ts';
import { until } from '../../support/until.ts';

describe('one member', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd?.[Symbol.asyncDispose]());

  test('a client that sends one renewal and half-closes has its response and OK', async () => {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await startProxyTo([etcd.address]));
    const client = stack.use(grpcClient(proxy.address('game')));
    const ID = await grant(client, 60);
    for (let i = 0; i < 50; i += 1) {
      using stream = client.stream(keepAliveMethod);
      stream.send({ ID });
      stream.end();
      await expect(stream.next()).resolves.toMatchObject({ ID, TTL: '60' });
      await expect(stream.ended()).resolves.toMatchObject({ code: Code.OK });
    }
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_renewals_total')).toBe(50);
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_client_streams')).toBe(0);
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_upstream_streams')).toBe(1);
  });

  test('renewals of one lease by many clients share renewals', async () => {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await startProxyTo([etcd.address]));
    const client = stack.use(grpcClient(proxy.address('game')));
    const ID = await grant(client, 60);
    await Promise.all(
      Array.from({ length: 100 }, async () => {
        using stream = client.stream(keepAliveMethod);
        stream.send({ ID });
        await expect(stream.next()).resolves.toMatchObject({ ID, TTL: '60' });
      }),
    );
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_requests_total')).toBe(100);
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_renewals_total')).toBeLessThan(50);
  });

  test('without sharing each client stream is a stream at etcd', async () => {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await startProxyTo([etcd.address], { 'share-keepalives': false }));
    const client = stack.use(grpcClient(proxy.address('game')));
    const ID = await grant(client, 60);
    using stream = client.stream(keepAliveMethod);
    stream.send({ ID });
    await expect(stream.next()).resolves.toMatchObject({ ID, TTL: '60' });
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_requests_total')).toBe(0);
  });

  test('a member that restarts does not end the streams of clients', async () => {
    await using stack = new AsyncDisposableStack();
    const own = stack.use(await startEtcd());
    const proxy = stack.use(await startProxyTo([own.address]));
    const client = stack.use(grpcClient(proxy.address('game')));
    const renewing = await startRenewing([client], 20, 60, 100);
    await own.restart();
    const before = renewing.map(({ renewals }) => renewals);
    await until('renewal of every lease', () =>
      renewing.every(({ renewals }, i) => renewals > (before[i] ?? 0)),
    );
    expect(await stopAll(renewing)).toEqual([null]);
  });
});

describe('three members', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster(3);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  async function surviving(disturb: () => Promise<void>, ttlSeconds: number): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const endpoints = cluster.members.map(({ address }) => address);
    const proxy = stack.use(await startProxyTo(endpoints));
    const clients = Array.from({ length: 5 }, () => stack.use(grpcClient(proxy.address('game'))));
    const renewing = await startRenewing(clients, 100, ttlSeconds, (ttlSeconds * 1_000) / 6);
    await sleep(500);
    await disturb();
    const before = renewing.map(({ renewals }) => renewals);
    await until('two renewals of every lease', () =>
      renewing.every(({ renewals }, i) => renewals > (before[i] ?? 0) + 1),
    );
    expect(await stopAll(renewing)).toEqual([null]);
    // Streams that were added while etcd was slow are closed one by one.
    await until('the usual number of streams', async () => {
      const streams = await metric(proxy, 'etcd_bulkhead_keepalive_upstream_streams');
      return streams !== null && streams <= 3;
    });
  }

  test('no lease expires and no stream ends when a follower dies', async () => {
    const leader = await cluster.leader();
    const follower = cluster.members.find((member) => member !== leader);
    try {
      await surviving(async () => follower?.kill(), 6);
    } finally {
      await follower?.restart();
    }
  });

  test('no lease expires and no stream ends when the leader dies', async () => {
    const leader = await cluster.leader();
    try {
      await surviving(() => leader.kill(), 6);
    } finally {
      await leader.restart();
    }
  });

  test('no lease expires and no stream ends when a follower hangs', async () => {
    const leader = await cluster.leader();
    const follower = cluster.members.find((member) => member !== leader);
    try {
      await surviving(async () => {
        follower?.pause();
        await sleep(6_000);
      }, 10);
    } finally {
      follower?.resume();
    }
  });
});
