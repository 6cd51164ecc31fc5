/** A mirror whose writes fail: what counts as progress, what is counted, and when it gives up. The cluster is real. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { CallFailure } from '../../../src/cli/transfer/call-failure.ts';
import { EtcdClient } from '../../../src/cli/transfer/etcd-client.ts';
import { Mirror } from '../../../src/cli/transfer/mirror/mirror.ts';
import type { MirrorOptions } from '../../../src/cli/transfer/mirror/options.ts';
import { MirrorStats } from '../../../src/cli/transfer/mirror/stats.ts';
import { Code, type Status, status } from '../../../src/grpc/status.ts';
import type { Logger } from '../../../src/observe/logger.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';

let etcd: Etcd;
let client: GrpcClient;

beforeAll(async () => {
  etcd = await startEtcd();
  client = grpcClient(etcd.address);
});

afterAll(async () => {
  client[Symbol.dispose]();
  await etcd[Symbol.asyncDispose]();
});

const logger = { info: () => {}, warn: () => {} } as unknown as Logger;
const isDown = status(Code.UNAVAILABLE, 'the destination is down', 'lost');

const put = (key: string) =>
  client.call('etcdserverpb.KV/Put', { key: Buffer.from(key), value: Buffer.from('v') });

function connect(): Promise<EtcdClient> {
  const [host = '', port] = etcd.address.split(':');
  const endpoints = [{ name: etcd.address, address: { host, port: Number(port) }, tls: null }];
  const timing = { keepaliveMs: 10_000, keepaliveTimeoutMs: 5_000 };
  return EtcdClient.connect(
    { endpoints, login: null, transport: 'native', ...timing },
    { outageMsMax: 10_000 },
  );
}

interface Options {
  readonly isOnce?: boolean;
  readonly isForced?: boolean;
  readonly outageMsMax?: number;
  /** Called for each transaction that writes keys. Returns how it fails; null if it does not. */
  readonly onWrite?: () => Status | null;
}

/** Runs a mirror of `NAME/` to `NAME-copy/`. Resolves with its counts when it has ended, and with its failure. */
async function mirror(
  name: string,
  { isOnce = true, isForced = false, outageMsMax = 300, onWrite = () => null }: Options = {},
): Promise<{ readonly stats: MirrorStats; readonly failure: Error | null }> {
  using source = await connect();
  using destination = await connect();
  const target = Buffer.from(`${name}-copy/`);
  const call = destination.call.bind(destination);
  vi.spyOn(destination, 'call').mockImplementation(async (rpc, request) => {
    const failure = Buffer.from(request).includes(`${target}1`) ? onWrite() : null;
    if (failure !== null) throw new CallFailure(rpc, failure);
    return call(rpc, request);
  });
  const stats = new MirrorStats(systemClock);
  const options = {
    ...{ sourceNamespace: Buffer.from(`${name}/`), destinationNamespace: target },
    ...{ positionKey: Buffer.from(`position/${name}`), isOnce, isForced, outageMsMax },
  } as MirrorOptions;
  const failure = await new Mirror(options, { source, destination, stats, logger }).run().then(
    () => null,
    (error: Error) => error,
  );
  return { stats, failure };
}

describe.each([
  ['follows', { isOnce: false }],
  ['copies', { isOnce: true, isForced: true }],
])('a mirror that %s', (verb, mode) => {
  const name = `a-${verb}`;

  beforeAll(async () => {
    expect((await mirror(name)).failure).toBeNull();
    for (const key of ['1', '2', '3']) await put(`${name}/${key}`);
  });

  test('ends after an outage of the destination', async () => {
    const { failure, stats } = await mirror(name, { ...mode, onWrite: () => isDown });
    expect(failure?.message).toContain('the destination is down');
    expect(stats).toMatchObject({ transactions: 0, puts: 0, comparedKeys: 0 });
  });

  test('counts a transaction when it has succeeded', async () => {
    let attempts = 0;
    const onWrite = () => {
      attempts += 1;
      if (attempts <= 2) return isDown;
      if (attempts === 4) throw new Error('end of the test');
      // A mirror that follows does not end by itself.
      void put(`${name}/1`);
      return null;
    };
    const { failure, stats } = await mirror(name, { ...mode, outageMsMax: 60_000, onWrite });
    expect(failure?.message).toBe(mode.isOnce ? undefined : 'end of the test');
    expect(stats).toMatchObject({ transactions: 1, puts: 3, failures: 2 });
  });
});

test('a transaction that the destination rejects again and again is repeated with backoff', async () => {
  await mirror('b');
  await put('b/1');
  const attempts: number[] = [];
  const onWrite = () => {
    attempts.push(performance.now());
    if (attempts.length === 4) throw new Error('end of the test');
    return status(Code.INVALID_ARGUMENT, 'rejected', 'peer');
  };
  const { failure } = await mirror('b', { isOnce: false, outageMsMax: Infinity, onWrite });
  expect(failure?.message).toBe('end of the test');
  // 100 ms, 200 ms and 400 ms, with a jitter of 20 %.
  expect((attempts[3] ?? 0) - (attempts[2] ?? 0)).toBeGreaterThan(300);
});

test('with --once, a mirror ends after the rest of an interrupted copy, and has what the source has changed since', async () => {
  await put('c/1');
  const { failure } = await mirror('c', { outageMsMax: 0, onWrite: () => isDown });
  expect(failure?.message).toContain('the destination is down');
  await put('c/2');
  // A revision without a change of the namespace, which the watch does not report.
  await put('neighbour');
  expect((await mirror('c')).failure).toBeNull();
  const { kvs } = await client.call('etcdserverpb.KV/Range', { key: Buffer.from('c-copy/2') });
  expect(kvs).toHaveLength(1);
}, 10_000);
