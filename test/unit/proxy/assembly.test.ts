/** The objects of a proxy as they are connected, between a fake client transport and a fake listener. */
import { describe, expect, test } from 'vitest';
import { Code, ok, status } from '../../../src/grpc/status.ts';
import type { CallHandler, ServedMethod } from '../../../src/grpc/transport.ts';
import { createLogger } from '../../../src/observe/logger.ts';
import { Assembly } from '../../../src/proxy/assembly.ts';
import { Caller } from '../../support/caller.ts';
import { encodeRequest } from '../../support/codec.ts';
import { type ConfigObject, load } from '../../support/configured.ts';
import { FakeClientTransport } from '../../support/fake-channel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { callOf } from '../../support/test-call.ts';

const putName = 'etcdserverpb.KV/Put';
const listener = '127.0.0.1:2379';

const oneTenant: ConfigObject = { namespace: 'game/', 'listen-addr': listener };

/** A proxy with one endpoint, which is connected. */
async function assemble(file: ConfigObject = oneTenant) {
  const loaded = (each: ConfigObject) => load({ ...each, endpoints: ['127.0.0.1:1'] });
  const { config } = await loaded(file);
  if (config === null) throw new Error('the configuration is not valid');
  const clock = new ManualClock();
  const client = new FakeClientTransport();
  const handlers: CallHandler<ServedMethod>[] = [];
  const assembly = new Assembly(
    config,
    { logger: createLogger('silent'), clock },
    {
      makeClient: () => client,
      makeServer: () => ({
        listen: async (_options, handler) => {
          handlers.push(handler as unknown as CallHandler<ServedMethod>);
          return { address: listener, replaceTls: () => {}, drain: async () => 0 };
        },
      }),
    },
  );
  await assembly.listeners.prepare(config);
  for (const channel of client.channels) channel.become('ready');
  const put = () => {
    const { method } = callOf(putName);
    const peer = { listener, remote: '', certificate: null };
    const incoming = { method, metadata: [], deadlineMs: Number.POSITIVE_INFINITY, peer };
    const caller = new Caller();
    handlers[0]?.unary(incoming, encodeRequest(putName, { key: Buffer.from('a') }), caller);
    return caller;
  };
  const stream = () => {
    const { method } = callOf('etcdserverpb.Watch/Watch');
    const peer = { listener, remote: '', certificate: null };
    const incoming = { method, metadata: [], deadlineMs: Number.POSITIVE_INFINITY, peer };
    const caller = new Caller();
    handlers[0]?.stream(incoming, caller);
    return caller;
  };
  const reload = async (next: ConfigObject) => assembly.configuration.apply(await loaded(next));
  return { assembly, client, clock, put, stream, reload };
}

test('a call that a fault ends is counted as rejected', async () => {
  const { assembly, client, put } = await assemble();
  for (const channel of client.channels) {
    channel.unary = () => {
      throw new Error('a bug');
    };
  }
  expect(put().status?.code).toBe(13);
  const { text } = await assembly.metrics.exposition();
  expect(text).toContain('etcd_bulkhead_rejected_total{reason="proxy-fault"} 1\n');
});

test('the breakers of a tenant that a reload removes end, and the tenant returns without them', async () => {
  const tenantOf = (name: string) => ({
    tenants: [{ name, namespace: `${name}/` }],
    listeners: [{ address: listener, tenant: name }],
    'breaker-min-calls': 1,
  });
  const { assembly, client, clock, put, reload } = await assemble(tenantOf('a'));
  const lines = async () => {
    const { text } = await assembly.metrics.exposition();
    return text.split('\n').filter((line) => /^etcd_bulkhead_(breaker_state|live)/.test(line));
  };
  const inFlight = put();
  const failing = put();
  const [earlier, call] = client.channels.flatMap(({ clientCalls }) => clientCalls);
  call?.end(status(Code.UNAVAILABLE, 'connection lost', 'lost'));
  expect(failing.status?.code).toBe(Code.UNAVAILABLE);
  expect(put().status?.text).toBe('etcd-bulkhead: the circuit breaker is open');
  expect(await lines()).toEqual([
    'etcd_bulkhead_breaker_state{tenant="a",breaker="write"} 2',
    'etcd_bulkhead_live_breakers 1',
  ]);

  const timers = clock.pendingTimers;
  await reload(tenantOf('b'));
  expect(clock.pendingTimers).toBe(timers - 1);
  expect(await lines()).toEqual(['etcd_bulkhead_live_breakers 0']);
  earlier?.deliver(new Uint8Array(0));
  earlier?.end(ok);
  expect(inFlight.status).toEqual(ok);
  expect(await lines()).toEqual(['etcd_bulkhead_live_breakers 0']);

  await reload(tenantOf('a'));
  expect(put().status).toBeNull();
});

describe('the limits of a tenant', () => {
  const tenants = (limits: object, totals: object = {}, name = 'a'): ConfigObject => ({
    tenants: [{ name, namespace: `${name}/`, ...limits }],
    listeners: [{ address: listener, tenant: name }],
    ...totals,
  });
  const metricsOf = async ({ metrics }: Assembly) => {
    const { text } = await metrics.exposition();
    return text.split('\n').filter((line) => /^etcd_bulkhead_limit.*(open-calls|total)/.test(line));
  };
  const tooMany = 'etcdserver: too many requests';

  test('are changed by a reload, without an end of its open calls', async () => {
    const { assembly, client, put, reload } = await assemble(tenants({ 'max-open-calls': 1 }));
    const first = put();
    expect(put().text).toBe(tooMany);
    await reload(tenants({ 'max-open-calls': 2 }));
    const second = put();
    expect([first.status, second.status, put().text]).toEqual([null, null, tooMany]);
    const states = assembly.directory.current.states.map(({ usage }) => usage.openCalls);
    expect(states).toEqual([2]);
    for (const call of client.channels.flatMap(({ clientCalls }) => clientCalls)) call.end(ok);
    expect([first.status, second.status]).toEqual([ok, ok]);
    expect(assembly.total.openCalls).toBe(0);
  });

  test('end no streams when they change, unlike its other settings', async () => {
    const { assembly, stream, reload } = await assemble(tenants({ 'max-open-streams': 9 }));
    const watching = stream();
    await reload(tenants({ 'max-open-streams': 1 }));
    expect(watching.status).toBeNull();
    expect(stream().text).toBe(tooMany);
    await reload(tenants({ 'max-open-streams': 1, 'share-watches': false }));
    expect(watching.text).toBe('etcdserver: server stopped');
    expect(assembly.total.openStreams).toBe(0);
  });

  test('may be those of all tenants, which a reload changes as well', async () => {
    const { put, reload } = await assemble(tenants({}, { 'max-total-open-calls': 1 }));
    put();
    expect(put().text).toBe(tooMany);
    await reload(tenants({}, { 'max-total-open-calls': 0 }));
    expect(put().status).toBeNull();
  });

  test('are in the metrics with what counts toward them, while the tenant uses anything', async () => {
    const { assembly, client, put } = await assemble(tenants({ 'max-open-calls': 1 }));
    put();
    put();
    put();
    expect(await metricsOf(assembly)).toEqual([
      'etcd_bulkhead_limit_refusals_total{tenant="a",limit="max-open-calls"} 2',
      'etcd_bulkhead_limit_use{limit="max-total-open-calls"} 1',
      'etcd_bulkhead_limit_use{limit="max-total-open-streams"} 0',
      'etcd_bulkhead_limit_use{limit="max-total-open-watches"} 0',
      'etcd_bulkhead_limit_use{tenant="a",limit="max-open-calls"} 1',
      'etcd_bulkhead_limit{limit="max-total-open-calls"} 100000',
      'etcd_bulkhead_limit{limit="max-total-open-streams"} 100000',
      'etcd_bulkhead_limit{limit="max-total-open-watches"} 200000',
      'etcd_bulkhead_limit{tenant="a",limit="max-open-calls"} 1',
    ]);
    for (const call of client.channels.flatMap(({ clientCalls }) => clientCalls)) call.end(ok);
    expect((await metricsOf(assembly)).filter((line) => line.includes('tenant='))).toEqual([
      'etcd_bulkhead_limit_refusals_total{tenant="a",limit="max-open-calls"} 2',
    ]);
  });

  test('a tenant that a reload removes keeps its refusals, and returns without open calls', async () => {
    const { assembly, client, put, reload } = await assemble(tenants({ 'max-open-calls': 1 }));
    const inFlight = put();
    put();
    await reload(tenants({ 'max-open-calls': 1 }, {}, 'b'));
    expect((await metricsOf(assembly)).filter((line) => line.includes('tenant='))).toEqual([
      'etcd_bulkhead_limit_refusals_total{tenant="a",limit="max-open-calls"} 1',
    ]);
    await reload(tenants({ 'max-open-calls': 1 }));
    expect(put().status).toBeNull();
    put();
    expect(await metricsOf(assembly)).toContain(
      'etcd_bulkhead_limit_refusals_total{tenant="a",limit="max-open-calls"} 2',
    );
    for (const call of client.channels.flatMap(({ clientCalls }) => clientCalls)) call.end(ok);
    expect(inFlight.isOk).toBe(true);
    expect(assembly.total.openCalls).toBe(0);
  });

  test('refuse calls that no breaker counts', async () => {
    const settings = { 'breaker-min-calls': 1, 'breaker-error-percent': 1 };
    const { client, put } = await assemble(tenants({ 'max-open-calls': 1 }, settings));
    put();
    for (let i = 0; i < 50; i++) expect(put().text).toBe(tooMany);
    for (const call of client.channels.flatMap(({ clientCalls }) => clientCalls)) call.end(ok);
    expect(put().status).toBeNull();
  });
});
