/**
 * Members of the cluster that die, hang or never existed, behind one proxy whose clients write and watch. An
 * acknowledged write exists, and watchers receive exactly the events of the store, each once, in order.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { type GrpcClient, grpcClient, Refused, refusal } from '../../support/client.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { startEtcd } from '../../support/etcd.ts';
import { freePorts } from '../../support/ports.ts';
import { startTestProxy, type TestProxyOptions } from '../../support/proxy.ts';
import { eventLine, ResumingWatch } from '../../support/resuming-watch.ts';
import { until } from '../../support/until.ts';

const namespace = 'game/';
const everything = Buffer.from('\0');

function startProxyTo(endpoints: readonly string[], settings: TestProxyOptions['settings'] = {}) {
  return startTestProxy({ endpoints, tenants: [{ name: 'game', namespace }], settings });
}

async function revisionOf(client: GrpcClient): Promise<number> {
  const answer = await client.call('etcdserverpb.KV/Range', { key: everything, count_only: true });
  return Number(answer.header?.revision);
}

/** Puts `<name>/0`, `<name>/1`, … one after the other, and never the same key twice. */
class Writer {
  readonly acknowledged: string[] = [];
  /** Calls that ended with an error: their outcome is unknown. */
  readonly unknown: string[] = [];
  readonly errors = new Set<string>();
  readonly #name: string;
  readonly #client: GrpcClient;
  #isStopped = false;
  readonly #over: Promise<void>;

  constructor(name: string, client: GrpcClient) {
    this.#name = name;
    this.#client = client;
    this.#over = this.#run();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#over;
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#isStopped; i += 1) {
      const key = `${this.#name}/${i}`;
      try {
        await this.#client.call('etcdserverpb.KV/Put', {
          key: Buffer.from(key),
          value: Buffer.from(key),
        });
        this.acknowledged.push(key);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.unknown.push(key);
        this.errors.add(`${error.code} ${error.details}`);
        await sleep(20);
      }
    }
  }
}

/** All events below the namespace, read from the store itself. */
async function storeEvents(cluster: Cluster, from: number, upTo: number): Promise<string[]> {
  const leader = await cluster.leader();
  using raw = grpcClient(leader.address);
  using watch = raw.stream('etcdserverpb.Watch/Watch');
  watch.send({
    create_request: {
      key: Buffer.from(namespace),
      range_end: Buffer.from('game0'),
      start_revision: from,
    },
  });
  const events: string[] = [];
  let seen = from - 1;
  while (seen < upTo) {
    for (const { type, kv } of (await watch.next()).events) {
      const key = kv.key.subarray(namespace.length);
      events.push(eventLine(type, { key, mod_revision: kv.mod_revision }));
      seen = Number(kv.mod_revision);
    }
  }
  return events;
}

describe('three members behind one proxy', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster(3);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  const endpoints = () => cluster.members.map(({ address }) => address);

  /** Clients at work before, during and after `disturb`, and then the comparison with the store. */
  async function surviving(
    disturb: (progress: () => Promise<void>) => Promise<void>,
    settings: TestProxyOptions['settings'] = {},
  ): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const proxy = stack.use(await startProxyTo(endpoints(), settings));
    const connect = () => stack.use(grpcClient(proxy.address('game')));
    const from = (await revisionOf(connect())) + 1;
    const watches = Array.from({ length: 3 }, () => {
      return stack.use(new ResumingWatch(connect(), from));
    });
    const run = `${from}`;
    const writers = Array.from({ length: 4 }, (_, i) => new Writer(`${run}-${i}`, connect()));
    /** Each writer gets another ten writes done. */
    const progress = async () => {
      const before = writers.map(({ acknowledged }) => acknowledged.length);
      await until(
        'progress of the writers',
        () => writers.every((each, i) => each.acknowledged.length >= (before[i] ?? 0) + 10),
        40_000,
      );
    };
    await progress();
    await disturb(progress);
    await Promise.all(writers.map((writer) => writer.stop()));

    const revision = await revisionOf(connect());
    const expected = await storeEvents(cluster, from, revision);
    const isComplete = () => watches.every(({ events }) => events.length >= expected.length);
    await until('all events', isComplete, 30_000);
    for (const { events } of watches) expect(events).toEqual(expected);

    const { kvs } = await connect().call('etcdserverpb.KV/Range', {
      key: everything,
      range_end: everything,
      min_create_revision: from,
    });
    const stored = new Set(kvs.map(({ key }) => key.toString()));
    const [acknowledged, unknown] = [
      writers.flatMap((writer) => writer.acknowledged),
      writers.flatMap((writer) => writer.unknown),
    ];
    expect(acknowledged.filter((key) => !stored.has(key))).toEqual([]);
    // Each request was sent once, even if its outcome is unknown.
    expect(kvs.filter(({ version }) => version !== '1')).toEqual([]);
    const known = new Set([...acknowledged, ...unknown]);
    expect([...stored].filter((key) => !known.has(key))).toEqual([]);
  }

  test('the leader is killed: no acknowledged write is lost, no event is missed or told twice', async () => {
    await surviving(async (progress) => {
      const leader = await cluster.leader();
      await leader.kill();
      await progress();
      await leader.restart();
      await progress();
    });
  });

  test('one member after the other is restarted, as in an upgrade', async () => {
    await surviving(async (progress) => {
      for (const member of cluster.members) {
        await member.stop();
        await progress();
        await member.restart();
        await progress();
      }
    });
  });

  test('a leader that hangs without closing a connection is given up within the bounds of keepalive', async () => {
    await surviving(
      async (progress) => {
        const leader = await cluster.leader();
        leader.pause();
        try {
          const startedAt = performance.now();
          await progress();
          expect(performance.now() - startedAt).toBeLessThan(30_000);
        } finally {
          leader.resume();
        }
        await progress();
      },
      { 'dial-keepalive-time': '10s', 'dial-keepalive-timeout': '1s' },
    );
  });

  test('an endpoint that is down from the beginning is not noticed', async () => {
    const [nobody] = await freePorts(1);
    await using proxy = await startProxyTo([`127.0.0.1:${nobody}`, ...endpoints()]);
    using client = grpcClient(proxy.address('game'));
    for (let i = 0; i < 50; i += 1) {
      await client.call('etcdserverpb.KV/Put', { key: Buffer.from(`down/${i}`) });
      await client.call('etcdserverpb.KV/Range', { key: Buffer.from(`down/${i}`) });
    }
    const watches = Array.from({ length: 8 }, () => client.stream('etcdserverpb.Watch/Watch'));
    for (const watch of watches) {
      watch.send({ create_request: { key: everything, range_end: everything } });
      expect((await watch.next()).created).toBe(true);
      watch.cancel();
    }
  });
});

describe('no member at all', () => {
  const holdMs = 2_000;
  // This tests the hold. Breakers have a file of their own.
  const settings = { hold: `${holdMs}ms`, breaker: false };

  test('calls are held, then refused as Unavailable, and served again when etcd is back', async () => {
    await using etcd = await startEtcd();
    await using proxy = await startProxyTo([etcd.address], settings);
    using client = grpcClient(proxy.address('game'));
    const put = () => client.call('etcdserverpb.KV/Put', { key: Buffer.from('k') });
    await put();
    await etcd.kill();
    // Whatever was still on the broken connection is over then.
    await refusal(put());
    const startedAt = performance.now();
    expect(await refusal(put())).toMatchObject({
      code: Code.UNAVAILABLE,
      details: 'etcd-bulkhead: no connection to etcd, or it was lost',
    });
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(holdMs - 100);
    expect(tookMs).toBeLessThan(holdMs + 3_000);
    await etcd.restart();
    await until('service', () =>
      put().then(
        () => true,
        () => false,
      ),
    );
  });

  test('a call that is held when etcd comes back is served, and was never noticed to wait', async () => {
    await using etcd = await startEtcd();
    await using proxy = await startProxyTo([etcd.address], { ...settings, hold: '30s' });
    using client = grpcClient(proxy.address('game'));
    const put = (key: string) =>
      client.call('etcdserverpb.KV/Put', { key: Buffer.from(key) }, { timeoutMs: 30_000 });
    await put('before');
    await etcd.kill();
    await refusal(
      client.call('etcdserverpb.KV/Put', { key: Buffer.from('probe') }, { timeoutMs: 500 }),
    );
    const held = [put('held/1'), put('held/2')];
    using watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key: everything, range_end: everything } });
    await etcd.restart();
    await Promise.all(held);
    expect((await watch.next(30_000)).created).toBe(true);
    await put('after');
    const keys = async () => {
      const { events } = await watch.next();
      return events.map(({ kv }) => kv.key.toString());
    };
    const seen: string[] = [];
    while (!seen.includes('after')) seen.push(...(await keys()));
  });

  test('a proxy that starts before etcd listens, and serves when etcd does', async () => {
    await using etcd = await startEtcd();
    await etcd.kill();
    await using proxy = await startProxyTo([etcd.address], { ...settings, hold: '30s' });
    using client = grpcClient(proxy.address('game'));
    const put = client.call(
      'etcdserverpb.KV/Put',
      { key: Buffer.from('early') },
      { timeoutMs: 30_000 },
    );
    await etcd.restart();
    await put;
  });
});
