/** Metrics of the guard, as an operator reads them: waiting calls, breakers and retries. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { metric } from '../support/exposition.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { until } from '../support/until.ts';

const key = Buffer.from('k');

let etcd: Etcd;
let proxy: TestProxy;
let client: GrpcClient;

beforeEach(async () => {
  etcd = await startEtcd();
  proxy = await startTestProxy({
    endpoints: [etcd.address],
    tenants: [{ name: 'red', namespace: 'red/' }],
    settings: { 'admin-addr': '127.0.0.1:0', hold: '30s', 'request-timeout': '30s' },
  });
  client = grpcClient(proxy.address('red'));
});

afterEach(async () => {
  client?.[Symbol.dispose]();
  await proxy?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

const put = () => client.call('etcdserverpb.KV/Put', { key, value: Buffer.alloc(1_000) });
const get = () => client.call('etcdserverpb.KV/Range', { key });

const value = (series: string) => metric(proxy, series);

test('calls that wait for an endpoint are counted with their bytes, until they are sent', async () => {
  await put();
  expect(await value('etcd_bulkhead_held_calls')).toBe(0);
  expect(await value('etcd_bulkhead_held_bytes')).toBe(0);
  await etcd.kill();
  await until(
    'a lost connection',
    async () => (await value(`etcd_bulkhead_upstream_up{endpoint="${etcd.address}"}`)) === 0,
  );
  const waiting = Promise.all([put(), put()]);
  await until('two waiting calls', async () => (await value('etcd_bulkhead_held_calls')) === 2);
  expect(await value('etcd_bulkhead_held_bytes')).toBeGreaterThan(2_000);
  await etcd.restart();
  await waiting;
  expect(await value('etcd_bulkhead_held_calls')).toBe(0);
  expect(await value('etcd_bulkhead_held_bytes')).toBe(0);
});

test('breakers with outcomes in their window are counted', async () => {
  expect(await value('etcd_bulkhead_live_breakers')).toBe(0);
  await Promise.all([put(), get()]);
  expect(await value('etcd_bulkhead_live_breakers')).toBe(2);
});

test('a read that is retried after a lost connection is counted, and a write is not retried', async () => {
  const retries = (rpc: string) => value(`etcd_bulkhead_retries_total{grpc_method="${rpc}"}`);
  const sent: Readonly<Record<string, number>> = { Range: 1, Put: 2 };
  await put();
  etcd.pause();
  const calls = Promise.allSettled([get(), put()]);
  for (const rpc of ['Range', 'Put']) {
    await until(`a ${rpc} in flight`, async () => (await value(started(rpc))) === sent[rpc]);
  }
  await etcd.kill();
  await etcd.restart();
  await calls;
  expect(await retries('Range')).toBe(1);
  expect(await retries('Put')).toBeNull();
});

function started(rpc: string): string {
  return `grpc_server_started_total{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="${rpc}"}`;
}
