/**
 * Shared keepalives with real etcds: leases expire when etcd says, not later for the other keepalives that use the same
 * streams, and not earlier when a member dies or hangs.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { startTestProxy, type TestProxy, type TestProxyOptions } from '../support/proxy.ts';
import { until } from '../support/until.ts';

const keepAliveMethod = 'etcdserverpb.Lease/LeaseKeepAlive';

function startProxyTo(
  endpoints: readonly string[],
  settings: TestProxyOptions['settings'] = {},
): Promise<TestProxy> {
  return startTestProxy({
    endpoints,
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'admin-addr': '127.0.0.1:0', ...settings },
  });
}

async function grant(client: GrpcClient, TTL: number): Promise<string> {
  return (await client.call('etcdserverpb.Lease/LeaseGrant', { TTL })).ID;
}

async function metric(proxy: TestProxy, name: string): Promise<number> {
  const response = await fetch(`http://${proxy.adminAddress}/metrics`);
  const line = (await response.text()).split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

/** A lease with a stream of its own, which renews it at intervals until it is stopped. */
class Renewing {
  renewals = 0;
  /** The first thing that went wrong: a renewal with TTL 0, or the end of the stream. */
  failure: string | null = null;
  #isStopped = false;
  readonly #ended: Promise<void>;

  constructor(client: GrpcClient, ID: string, everyMs: number) {
    this.#ended = this.#run(client, ID, everyMs);
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#ended;
  }

  async #run(client: GrpcClient, ID: string, everyMs: number): Promise<void> {
    using stream = client.stream(keepAliveMethod, { metadata: { hasleader: 'true' } });
    try {
      while (!this.#isStopped) {
        stream.send({ ID });
        const { TTL } = await stream.next(30_000);
        if (TTL === '0') throw new Error('the lease has expired');
        this.renewals += 1;
        await sleep(everyMs);
      }
    } catch (error) {
      this.failure = String(error);
    }
  }
}

async function startRenewing(
  clients: readonly GrpcClient[],
  count: number,
  TTL: number,
  everyMs: number,
): Promise<Renewing[]> {
  const renewing: Renewing[] = [];
  for (let i = 0; i < count; i += 1) {
    const client = clients[i % clients.length];
    if (client === undefined) throw new Error('no client');
    renewing.push(new Renewing(client, await grant(client, TTL), everyMs));
  }
  return renewing;
}

async function stopAll(renewing: readonly Renewing[]): Promise<readonly (string | null)[]> {
  await Promise.all(renewing.map((each) => each.stop()));
  return [...new Set(renewing.map(({ failure }) => failure))];
}

describe('one member', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd?.[Symbol.asyncDispose]());

  test('a lease that is no longer renewed expires in time beside 1,000 others that are', async () => {
    await using stack = new AsyncDisposableStack();
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
    expect(await metric(proxy, 'etcd_bulkhead_keepalive_upstream_streams')).toBeLessThanOrEqual(3);
  }

  test('no lease expires and no stream ends when a follower dies', async () => {
    const leader = await cluster.leader();
    const follower = cluster.members.find((member) => member !== leader);
    await surviving(async () => follower?.kill(), 6);
    await follower?.restart();
  });

  test('no lease expires and no stream ends when the leader dies', async () => {
    const leader = await cluster.leader();
    await surviving(() => leader.kill(), 6);
    await leader.restart();
  });

  test('no lease expires and no stream ends when a follower hangs', async () => {
    const leader = await cluster.leader();
    const follower = cluster.members.find((member) => member !== leader);
    await surviving(async () => {
      follower?.pause();
      await sleep(6_000);
    }, 10);
    follower?.resume();
  });
});
