/** How the program stops on a signal: what probes, watchers and writers see of it, and its exit code. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { Sidecar } from '../../support/sidecar.ts';
import { until } from '../../support/until.ts';

const key = Buffer.from('k');
const watchers = 10;
const windowMs = 2_000;

let etcd: Etcd;
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.[Symbol.asyncDispose]());

const start = (...args: string[]) =>
  Sidecar.start(`--endpoints=${etcd.address}`, '--namespace=game/', ...args);

/** Waits for a Put that the proxy has received and not finished: the first one of this proxy. */
async function untilPutIsInFlight(sidecar: Sidecar): Promise<void> {
  const started = /^grpc_server_started_total\{.*grpc_method="Put"\} 1$/m;
  await until('a put in flight', async () => started.test(await sidecar.page('/metrics')));
}

describe('SIGTERM', () => {
  test('not ready at once, alive to the end; watches end one by one over the window; exit code 0', async () => {
    await using sidecar = await start(`--drain-window=${windowMs}ms`);
    using client = grpcClient(sidecar.address);
    expect(await sidecar.probe('/readyz')).toBe(200);
    const streams = Array.from({ length: watchers }, () =>
      client.stream('etcdserverpb.Watch/Watch'),
    );
    for (const stream of streams) {
      stream.send({ create_request: { key } });
      await stream.next();
    }
    const startedAt = performance.now();
    const ends = Promise.all(
      streams.map(async (stream) => {
        const { code, details } = await stream.ended(20_000);
        return { code, details, atMs: performance.now() - startedAt };
      }),
    );
    sidecar.signal('SIGTERM');
    await until('a readiness probe that fails', async () => {
      return (await sidecar.probe('/readyz')) === 503;
    });
    expect(await sidecar.probe('/livez')).toBe(200);

    const ended = await ends;
    for (const { code, details } of ended) {
      expect({ code, details }).toEqual({
        code: Code.UNAVAILABLE,
        details: 'etcdserver: server stopped',
      });
    }
    const times = ended.map(({ atMs }) => atMs).sort((a, b) => a - b);
    // From the first to the last of ten there are nine tenths of the window, however late the first one is.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(windowMs * 0.6);
    // No two gaps make up most of it: they came one by one.
    const gaps = times.slice(1).map((atMs, i) => atMs - (times[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThan(windowMs * 0.6);
    expect(await sidecar.ended(20_000)).toBe(0);
  });

  test('a put that is under way is finished and acknowledged', async () => {
    await using sidecar = await start('--drain-window=0s', '--max-drain=20s');
    using client = grpcClient(sidecar.address);
    using watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    await watch.next();
    // An etcd that hangs for a moment keeps it under way for as long as the test likes.
    etcd.pause();
    let acknowledged: boolean | null = null;
    const put = client.call('etcdserverpb.KV/Put', { key, value: Buffer.from('last words') });
    const isDone = put.then(
      () => {
        acknowledged = true;
      },
      () => {
        acknowledged = false;
      },
    );
    try {
      // The request has to reach the proxy before the signal does.
      await untilPutIsInFlight(sidecar);
      sidecar.signal('SIGTERM');
      expect(await watch.ended()).toMatchObject({ details: 'etcdserver: server stopped' });
      expect(acknowledged).toBe(null);
      expect(sidecar.isRunning).toBe(true);
    } finally {
      etcd.resume();
    }
    await isDone;
    expect(acknowledged).toBe(true);
    expect(await sidecar.ended(20_000)).toBe(0);
    using raw = grpcClient(etcd.address);
    const { kvs } = await raw.call('etcdserverpb.KV/Range', { key: Buffer.from('game/k') });
    expect(kvs[0]?.value.toString()).toBe('last words');
  });

  test('a call that does not end is cut off when the time is up', async () => {
    await using sidecar = await start('--drain-window=0s', '--max-drain=1s');
    using client = grpcClient(sidecar.address);
    await client.call('etcdserverpb.KV/Range', { key });
    etcd.pause();
    try {
      const put = refusal(client.call('etcdserverpb.KV/Put', { key }));
      await untilPutIsInFlight(sidecar);
      sidecar.signal('SIGTERM');
      expect(await sidecar.ended(20_000)).toBe(0);
      expect(sidecar.printed).toContain(
        '"callsCutOff":1,"open":{"unary":1,"waiting":0,"watch":0,"keepalive":0,"stream":0}',
      );
      expect((await put).code).toBe(Code.UNAVAILABLE);
    } finally {
      etcd.resume();
    }
  });

  test('what is still open is shown by kind meanwhile', async () => {
    await using sidecar = await start('--min-drain=60s', '--max-drain=100s');
    using client = grpcClient(sidecar.address);
    using watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    await watch.next();
    using renewal = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
    renewal.send({ ID: 1 });
    await renewal.next();
    sidecar.signal('SIGTERM');
    await until('draining', async () => (await sidecar.probe('/readyz')) === 503);
    expect(JSON.parse(await sidecar.page('/drainz'))).toEqual({
      phase: 'draining',
      open: { unary: 0, waiting: 0, watch: 1, keepalive: 1, stream: 0 },
    });
  });

  test('while new calls are still taken, a client may put its things away', async () => {
    await using sidecar = await start('--min-drain=2s', '--drain-window=0s');
    using client = grpcClient(sidecar.address);
    sidecar.signal('SIGTERM');
    await until('draining', async () => (await sidecar.probe('/readyz')) === 503);
    await client.call('etcdserverpb.KV/DeleteRange', { key });
    expect(await sidecar.ended(20_000)).toBe(0);
  });

  test('a second signal ends it at once', async () => {
    await using sidecar = await start('--min-drain=20s', '--max-drain=60s');
    using client = grpcClient(sidecar.address);
    using watch = client.stream('etcdserverpb.Watch/Watch');
    using other = client.stream('etcdserverpb.Watch/Watch');
    for (const stream of [watch, other]) {
      stream.send({ create_request: { key } });
      await stream.next();
    }
    sidecar.signal('SIGTERM');
    await until('draining', async () => (await sidecar.probe('/readyz')) === 503);
    // What follows at once may be the same keystroke, told twice.
    await sleep(700);
    expect(sidecar.isRunning).toBe(true);
    sidecar.signal('SIGTERM');
    expect(await sidecar.ended(5_000)).toBe(0);
  });
});
