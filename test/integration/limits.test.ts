/** The limits of a tenant, between real clients and a real etcd, while another tenant is served. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient, Refused, refusal } from '../support/client.ts';
import { type ConfigObject, type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { Exposition } from '../support/exposition.ts';
import { until } from '../support/until.ts';

const key = Buffer.from('k');
const tooMany = {
  code: Code.RESOURCE_EXHAUSTED,
  details: 'etcdserver: too many requests',
};

let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
});

/** Tenant `a` has these limits, and tenant `b` the defaults. */
function configuration(limits: object): ConfigObject {
  return {
    endpoints: [etcd.address],
    'admin-addr': '127.0.0.1:0',
    tenants: [
      { name: 'a', namespace: 'limits-a/', ...limits },
      { name: 'b', namespace: 'limits-b/' },
    ],
    listeners: [
      { address: '127.0.0.1:0', tenant: 'a' },
      { address: '127.0.0.2:0', tenant: 'b' },
    ],
  };
}

class World implements AsyncDisposable {
  readonly proxy: ConfiguredProxy;
  readonly a: GrpcClient;
  readonly b: GrpcClient;

  private constructor(proxy: ConfiguredProxy) {
    this.proxy = proxy;
    this.a = grpcClient(proxy.addresses[0] ?? '');
    this.b = grpcClient(proxy.addresses[1] ?? '');
  }

  static async with(limits: object): Promise<World> {
    return new World(await startConfigured(configuration(limits)));
  }

  async metrics(): Promise<Exposition> {
    const page = await fetch(`http://${this.proxy.adminAddress}/metrics`);
    return new Exposition(await page.text());
  }

  async refusals(limit: string): Promise<number | null> {
    const name = 'etcd_bulkhead_limit_refusals_total';
    return (await this.metrics()).value(`${name}{tenant="a",limit="${limit}"}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.a[Symbol.dispose]();
    this.b[Symbol.dispose]();
    await this.proxy[Symbol.asyncDispose]();
  }
}

const put = (client: GrpcClient) => client.call('etcdserverpb.KV/Put', { key, value: key });
const grant = (client: GrpcClient) => client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 });

/** How many of the calls have succeeded. All others were refused by a limit. */
async function served(calls: readonly Promise<unknown>[]): Promise<number> {
  const results = await Promise.allSettled(calls);
  const failed = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []));
  for (const error of failed) {
    expect(error).toBeInstanceOf(Refused);
    expect(error).toMatchObject(tooMany);
  }
  return results.length - failed.length;
}

/** A rate so low that no token accrues during the test. */
const few = { 'max-calls-per-second': 1, 'max-call-burst': 20 };

describe('a tenant above its rate', () => {
  test('is refused, while another one is served and its own leases are renewed', async () => {
    await using world = await World.with(few);
    const { ID: lease } = await grant(world.a);
    const keepAlive = world.a.stream('etcdserverpb.Lease/LeaseKeepAlive');
    const renew = async () => {
      keepAlive.send({ ID: lease });
      expect((await keepAlive.next()).TTL).toBe('60');
    };
    await renew();
    const started = performance.now();
    const count = await served(Array.from({ length: 500 }, () => put(world.a)));
    const accrued = Math.ceil((performance.now() - started) / 1_000);
    expect(count).toBeGreaterThanOrEqual(19);
    expect(count).toBeLessThanOrEqual(20 + accrued);
    expect(await served(Array.from({ length: 100 }, () => put(world.b)))).toBe(100);
    // Of the tenant that has no calls left: a renewal on a new stream, and the revoke.
    const second = world.a.stream('etcdserverpb.Lease/LeaseKeepAlive');
    second.send({ ID: lease });
    expect((await second.next()).TTL).toBe('60');
    await renew();
    await world.a.call('etcdserverpb.Lease/LeaseRevoke', { ID: lease });
    keepAlive.cancel();
    second.cancel();
    expect(await world.refusals('max-calls-per-second')).toBe(500 - count);
  });

  test('is healthy', async () => {
    await using world = await World.with({ ...few, 'max-call-burst': 1 });
    await put(world.a);
    await expect(put(world.a)).rejects.toMatchObject(tooMany);
    const page = await fetch(`http://${world.proxy.addresses[0]}/health`);
    expect([page.status, await page.json()]).toEqual([200, { health: 'true' }]);
  });

  test('receives the reason, and when to try again', async () => {
    await using world = await World.with({ ...few, 'max-call-burst': 1 });
    await put(world.a);
    const { code, details, trailers } = await refusal(put(world.a));
    expect({ code, details }).toEqual(tooMany);
    expect(trailers.get('etcd-bulkhead-reason')).toEqual(['call-rate-limit']);
    expect(trailers.get('grpc-retry-pushback-ms')).toEqual(['1000']);
  });

  test('is served again after a reload has raised its limit, and its watch continues', async () => {
    await using world = await World.with({ 'max-calls-per-second': 1, 'max-call-burst': 2 });
    const watch = world.a.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    expect((await watch.next()).created).toBe(true);
    await put(world.a);
    expect((await watch.next()).events).toHaveLength(1);
    expect((await refusal(put(world.a))).details).toBe(tooMany.details);
    await world.proxy.reload(configuration({}));
    expect(await served(Array.from({ length: 50 }, () => put(world.a)))).toBe(50);
    let events = 0;
    while (events < 50) events += (await watch.next()).events.length;
    watch.cancel();
  });
});

test('a watch above the limit is cancelled, and the stream continues', async () => {
  await using world = await World.with({ 'max-open-watches': 2 });
  const stream = world.a.stream('etcdserverpb.Watch/Watch');
  for (let i = 0; i < 3; i++) stream.send({ create_request: { key } });
  expect([await stream.next(), await stream.next()]).toMatchObject([
    { watch_id: '0', created: true, canceled: false },
    { watch_id: '1', created: true, canceled: false },
  ]);
  expect(await stream.next()).toMatchObject({
    watch_id: '-1',
    created: true,
    canceled: true,
    cancel_reason: tooMany.details,
  });
  const use = 'etcd_bulkhead_limit_use{tenant="a",limit="max-open-watches"}';
  expect((await world.metrics()).value(use)).toBe(2);
  expect(await world.refusals('max-open-watches')).toBe(1);
  const other = world.b.stream('etcdserverpb.Watch/Watch');
  other.send({ create_request: { key } });
  expect(await other.next()).toMatchObject({ created: true, canceled: false });
  // A watch that ends makes room.
  stream.send({ cancel_request: { watch_id: 0 } });
  expect(await stream.next()).toMatchObject({ watch_id: '0', canceled: true });
  stream.send({ create_request: { key } });
  expect(await stream.next()).toMatchObject({ watch_id: '2', created: true, canceled: false });
  await put(world.a);
  const ids = [await stream.next(), await stream.next()].map(({ watch_id: id }) => id);
  expect(ids.toSorted()).toEqual(['1', '2']);
  stream.cancel();
  other.cancel();
  await until('end of the watches', async () => (await world.metrics()).value(use) === null);
});

test('leases above the rate are refused, also those of locks', async () => {
  await using world = await World.with({ 'max-leases-per-minute': 3 });
  const lock = (name: string) => world.a.call('v3lockpb.Lock/Lock', { name: Buffer.from(name) });
  await grant(world.a);
  await grant(world.a);
  await lock('one');
  expect(await refusal(grant(world.a))).toMatchObject(tooMany);
  expect(await refusal(lock('two'))).toMatchObject(tooMany);
  await put(world.a);
  await grant(world.b);
  expect(await world.refusals('max-leases-per-minute')).toBe(2);
});

test('a message above the limit of its tenant is refused, and others pass', async () => {
  await using world = await World.with({ 'max-request-bytes': '1KiB' });
  const putBytes = (client: GrpcClient, bytes: number) =>
    client.call('etcdserverpb.KV/Put', { key, value: Buffer.alloc(bytes) });
  // As for etcd's own limit, 512 KiB are added.
  await putBytes(world.a, 512 << 10);
  const { code, details } = await refusal(putBytes(world.a, 514 << 10));
  expect(code).toBe(Code.RESOURCE_EXHAUSTED);
  expect(details).toMatch(/^grpc: received message larger than max \(\d{6} vs\. 525312\)$/);
  await putBytes(world.b, 514 << 10);
  await put(world.a);
});

test('waiting locks and streams count until they end, calls until they have a response', async () => {
  await using world = await World.with({ 'max-open-streams': 2, 'max-open-calls': 1 });
  const use = async (limit: string) => {
    const metrics = await world.metrics();
    return metrics.value(`etcd_bulkhead_limit_use{tenant="a",limit="${limit}"}`);
  };
  const name = Buffer.from('lock');
  await world.a.call('v3lockpb.Lock/Lock', { name });
  const abort = new AbortController();
  const waiting = world.a.call('v3lockpb.Lock/Lock', { name }, { signal: abort.signal });
  const watch = world.a.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  await watch.next();
  expect(await use('max-open-streams')).toBe(2);
  expect(await refusal(world.a.call('v3lockpb.Lock/Lock', { name }))).toMatchObject(tooMany);
  await put(world.a);
  expect(await use('max-open-calls')).toBe(0);
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: Code.CANCELLED });
  await until('a stream less', async () => (await use('max-open-streams')) === 1);
  watch.cancel();
});
