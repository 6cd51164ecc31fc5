/** Traces of calls, as a collector receives them, in front of a real etcd. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/observe/logger.ts';
import { Tracing } from '../../src/observe/tracing/tracing.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { type GrpcClient, grpcClient, refusal } from '../support/client.ts';
import { type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { isAtLeast } from '../support/etcd-release.ts';
import { metric } from '../support/exposition.ts';
import { freePorts } from '../support/ports.ts';
import { callOf, testTenant } from '../support/test-call.ts';
import { attributesOf, spanKind, TraceCollector } from '../support/trace-collector.ts';
import { until } from '../support/until.ts';

const put = 'etcdserverpb.KV/Put';
const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const sampled = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1' };
const text = (value: string) => Buffer.from(value);

const owned = new AsyncDisposableStack();
let etcd: Etcd;
let collector: TraceCollector;

beforeAll(async () => {
  etcd = owned.use(await startEtcd());
  collector = owned.use(await TraceCollector.start());
});

beforeEach(() => {
  collector.spans.length = 0;
  collector.text = '';
});

afterAll(() => owned.disposeAsync());

interface Started extends AsyncDisposable {
  readonly proxy: ConfiguredProxy;
  readonly client: GrpcClient;
}

async function start(more: Readonly<Record<string, unknown>> = {}): Promise<Started> {
  const proxy = await startConfigured({
    endpoints: [etcd.address],
    namespace: 'game/',
    'listen-addr': '127.0.0.1:0',
    'admin-addr': '127.0.0.1:0',
    'otlp-endpoint': collector.url,
    'trace-ratio': '1',
    ...more,
  });
  const client = grpcClient(proxy.addresses[0] ?? '');
  return {
    proxy,
    client,
    async [Symbol.asyncDispose]() {
      client[Symbol.dispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

describe.each(['native', 'grpc-js'])('with the transport %s, a call', (transport) => {
  test('has a span below that of its client, and one per attempt at etcd', async () => {
    await using started = await start({ transport, 'trace-ratio': '0' });
    const { client } = started;
    await client.call(put, { key: text('a'), value: text('secret') }, { metadata: sampled });
    await client.call(put, { key: text('b') });
    const spans = await collector.until(put, 2);
    expect(spans).toHaveLength(2);
    const server = spans.find(({ kind }) => kind === spanKind.server);
    const attempt = spans.find(({ kind }) => kind === spanKind.client);
    expect(server).toMatchObject({ traceId, parentSpanId: spanId, traceState: 'vendor=1' });
    expect(attempt).toMatchObject({ traceId, parentSpanId: server?.spanId });
    expect(attributesOf(server ?? { attributes: [] })).toMatchObject({
      'rpc.system': 'grpc',
      'rpc.service': 'etcdserverpb.KV',
      'rpc.method': 'Put',
      'rpc.grpc.status_code': 0,
      'etcd_bulkhead.tenant': 'default',
    });
    expect(attributesOf(attempt ?? { attributes: [] })).toMatchObject({
      'server.address': etcd.address,
      'rpc.grpc.status_code': 0,
    });
    const startNs = BigInt(server?.startTimeUnixNano ?? 0);
    expect(BigInt(server?.endTimeUnixNano ?? 0)).toBeGreaterThanOrEqual(startNs);
    expect(Math.abs(Number(startNs / 1_000_000n) - Date.now())).toBeLessThan(60_000);
    expect(collector.resource).toMatchObject({ 'service.name': 'etcd-bulkhead' });
  });
});

test('keys are in spans only if they may be logged, and values never are', async () => {
  for (const isAllowed of [false, true]) {
    await using started = await start({ 'log-keys': isAllowed });
    const request = { key: text('visible-key'), value: text('secret-value') };
    await started.client.call(put, request);
    await collector.until(put, 2);
    expect(collector.text.includes('visible-key')).toBe(isAllowed);
    expect(collector.text).not.toContain('secret-value');
    expect(collector.text).not.toContain(text('secret-value').toString('base64'));
    collector.spans.length = 0;
  }
});

test('a stream has one span at its end, whatever it has delivered', async () => {
  await using started = await start();
  const { client } = started;
  const stream = client.stream('etcdserverpb.Watch/Watch', { metadata: sampled });
  stream.send({ create_request: { key: text('w') } });
  await stream.next();
  for (let i = 0; i < 20; i += 1) await client.call(put, { key: text('w') });
  let events = 0;
  while (events < 20) events += (await stream.next()).events.length;
  await collector.until(put, 40);
  expect(collector.spans.some(({ name }) => name.includes('Watch'))).toBe(false);
  stream.cancel();
  const [span] = await collector.until('etcdserverpb.Watch/Watch', 1);
  expect(span).toMatchObject({ traceId, parentSpanId: spanId, kind: spanKind.server });
  expect(attributesOf(span ?? { attributes: [] })).toMatchObject({
    'etcd_bulkhead.cancelled': true,
    'etcd_bulkhead.request_messages': 1,
  });
  expect(collector.spans.filter(({ name }) => name.includes('Watch'))).toHaveLength(1);
});

test('a call that the proxy rejects has a span with the reason and no attempt', async () => {
  await using started = await start({ 'read-only': true });
  await refusal(started.client.call(put, { key: text('a') }));
  const spans = await collector.until(put, 1);
  expect(spans).toHaveLength(1);
  expect(attributesOf(spans[0] ?? { attributes: [] })).toMatchObject({
    'rpc.grpc.status_code': 7,
    'etcd_bulkhead.rejection': 'read-only',
  });
});

test('a traceparent that is not valid is ignored, and the call is served', async () => {
  await using started = await start();
  const bad = ['x', `00-${'0'.repeat(32)}-${spanId}-01`, `00-${traceId}-${spanId}-01-x`, '\u007f'];
  for (const traceparent of ['x'.repeat(5_000), ...bad.slice(0, 3)]) {
    const metadata = { traceparent, tracestate: 'y'.repeat(2_000) };
    await started.client.call(put, { key: text('a') }, { metadata });
  }
  const spans = await collector.until(put, 8);
  for (const span of spans) {
    expect(span.traceId).not.toBe(traceId);
    expect(span.traceState ?? '').toBe('');
  }
});

describe('a collector that does not work', () => {
  test('costs spans and no calls, and is reported in metrics', async () => {
    const [port = 0] = await freePorts(1);
    await using started = await start({ 'otlp-endpoint': `http://127.0.0.1:${port}` });
    for (let i = 0; i < 20; i += 1) await started.client.call(put, { key: text('a') });
    await until('lost spans', async () => {
      const failed = 'etcd_bulkhead_trace_spans_total{outcome="failed"}';
      return ((await metric(started.proxy, failed)) ?? 0) >= 40;
    });
    expect(await metric(started.proxy, 'etcd_bulkhead_trace_queue_spans')).toBe(0);
  });

  test('is logged once a minute', async () => {
    const lines: string[] = [];
    const logger = createLogger('info', {}, { write: (line: string) => lines.push(line) });
    await using broken = await TraceCollector.start();
    broken.httpStatus = 400;
    const tracing = new Tracing({ url: `${broken.url}/v1/traces`, ratio: 1 }, systemClock, logger);
    for (let round = 1; round <= 2; round += 1) {
      for (let i = 0; i < 600; i += 1) {
        const call = callOf(put, { tenant: testTenant() });
        call.trace = tracing.begin(call);
        const ok = { code: 0, text: '', trailers: [], origin: 'peer' } as const;
        call.trace?.attempt(call.method, 'etcd').end(ok);
      }
      // The second batch may be smaller, because only so many calls per second are sampled.
      await until('lost spans', () => tracing.usage.failed > 512 * (round - 1));
    }
    await tracing.close();
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'warn',
      event: 'traces not exported',
    });
  });
});

test('a drain exports what is left', async () => {
  const started = await start();
  await started.client.call(put, { key: text('last') });
  await started[Symbol.asyncDispose]();
  expect(collector.spans.filter(({ name }) => name === put)).toHaveLength(2);
});

test('without a collector there are no metrics of traces', async () => {
  await using started = await start({ 'otlp-endpoint': '' });
  await started.client.call(put, { key: text('a') }, { metadata: sampled });
  expect(await metric(started.proxy, 'etcd_bulkhead_trace_queue_spans')).toBeNull();
});

// etcd 3.4 has no tracing.
describe.skipIf(!isAtLeast(5))('etcd', () => {
  test('continues the trace below the span of the attempt', async () => {
    const received: Buffer[] = [];
    const server = new Server();
    const asIs = (bytes: Buffer) => bytes;
    const path = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
    server.register(
      path,
      (call: { request: Buffer }, respond: (error: null, answer: Buffer) => void) => {
        received.push(call.request);
        respond(null, Buffer.alloc(0));
      },
      asIs,
      asIs,
      'unary',
    );
    const port = await new Promise<number>((resolve, reject) => {
      const credentials = ServerCredentials.createInsecure();
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    owned.defer(() => server.forceShutdown());
    const prefix = isAtLeast(7) ? '' : 'experimental-';
    await using traced = await startEtcd({
      args: [
        `--${prefix}enable-distributed-tracing`,
        `--${prefix}distributed-tracing-address=127.0.0.1:${port}`,
      ],
    });
    await using started = await start({ endpoints: [traced.address] });
    await started.client.call(put, { key: text('a') }, { metadata: sampled });
    const spans = await collector.until(put, 2);
    const attempt = spans.find(({ kind }) => kind === spanKind.client);
    await until(
      'the spans of etcd',
      () => {
        const all = Buffer.concat(received);
        return (
          all.includes(Buffer.from(traceId, 'hex')) &&
          all.includes(Buffer.from(attempt?.spanId ?? '', 'hex'))
        );
      },
      20_000,
    );
  });
});
