import { describe, expect, test } from 'vitest';
import { CacheStats } from '../../../src/cache/cache-context.ts';
import { method } from '../../../src/etcd/methods.ts';
import { Code } from '../../../src/grpc/status.ts';
import { KeepAliveStats } from '../../../src/lease/context.ts';
import { SuppressedLines } from '../../../src/observe/log-metrics.ts';
import { type ForcedState, Metrics } from '../../../src/observe/metrics.ts';
import { ReadStats } from '../../../src/reads/coalesce.ts';
import { Usage } from '../../../src/tenant/usage.ts';
import { HubStats } from '../../../src/watch/hub/hub-context.ts';

const put = method('etcdserverpb.KV/Put');
const watch = method('etcdserverpb.Watch/Watch');
const idle = {
  upstream: () => [],
  guard: () => ({
    heldCalls: 0,
    heldBytes: 0,
    inFlightCalls: 0,
    queuedCalls: 0,
    readBytes: 0,
    queuedReads: 0,
    liveBreakers: 0,
  }),
  forced: () => [],
  watches: () => new HubStats(),
  cache: () => ({ stats: new CacheStats(), memory: { bytes: 0 }, responseMemory: { bytes: 0 } }),
  sharing: () => ({ keepAlives: new KeepAliveStats(), reads: new ReadStats() }),
  memory: () => [],
  connections: () => ({ connectionsMax: 9, open: new Map(), reached: new Map() }),
  limits: () => ({ tenants: [], total: new Usage() }),
  traces: null,
  logs: () => ({ droppedLines: 0, suppressed: new SuppressedLines() }),
  advice: () => null,
};

/** The lines of one metric, without its help. */
async function lines(metrics: Metrics, name: string): Promise<string[]> {
  const { text } = await metrics.exposition();
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('metrics of calls have the names of etcd', () => {
  test('started and handled calls, by code', async () => {
    const metrics = new Metrics(idle);
    for (const code of [Code.OK, Code.OK, Code.UNAVAILABLE, 99]) {
      metrics.calls.started(put);
      metrics.calls.ended(put, code, 1);
    }
    metrics.calls.started(watch);
    const of = 'grpc_service="etcdserverpb.KV",grpc_method="Put"';
    expect(await lines(metrics, 'grpc_server_started_total')).toEqual([
      `grpc_server_started_total{grpc_type="unary",${of}} 4`,
      'grpc_server_started_total{grpc_type="bidi_stream",grpc_service="etcdserverpb.Watch",grpc_method="Watch"} 1',
    ]);
    expect(await lines(metrics, 'grpc_server_handled_total')).toEqual([
      `grpc_server_handled_total{grpc_type="unary",${of},grpc_code="OK"} 2`,
      `grpc_server_handled_total{grpc_type="unary",${of},grpc_code="Unknown"} 1`,
      `grpc_server_handled_total{grpc_type="unary",${of},grpc_code="Unavailable"} 1`,
    ]);
    expect(await lines(metrics, 'etcd_bulkhead_watch_streams')).toEqual([
      'etcd_bulkhead_watch_streams 1',
    ]);
  });

  test('durations, in cumulative buckets', async () => {
    const metrics = new Metrics(idle);
    for (const ms of [0.5, 0.75, 3, 20_000]) {
      metrics.calls.started(put);
      metrics.calls.ended(put, Code.OK, ms);
    }
    const found = await lines(metrics, 'grpc_server_handling_seconds');
    const counts = found.map((line) => [/le="(.*?)"/.exec(line)?.[1], line.split(' ').at(-1)]);
    expect(counts).toEqual([
      ['0.0005', '1'],
      ['0.001', '2'],
      ['0.0025', '2'],
      ...['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5'].map((le) => [le, '3']),
      ...['1', '2.5', '5', '10'].map((le) => [le, '3']),
      ['+Inf', '4'],
      [undefined, '20.00425'],
      [undefined, '4'],
    ]);
  });
});

test('metrics of the proxy begin with etcd_bulkhead_', async () => {
  const endpoints = [
    { name: 'a:1', isUp: true, connections: { unary: 1 } },
    { name: 'b:1', isUp: false, connections: { unary: 0 } },
  ];
  const metrics = new Metrics({
    ...idle,
    ...idle,
    upstream: () => endpoints,
    guard: () => ({
      heldCalls: 3,
      heldBytes: 300,
      inFlightCalls: 5,
      queuedCalls: 4,
      readBytes: 70_000,
      queuedReads: 6,
      liveBreakers: 2,
    }),
  });
  metrics.breakerMoved('game-1', 'write', 'open');
  metrics.breakerMoved('game-1', 'write', 'half-open');
  metrics.retried(put);
  metrics.calls.rejected('tenant-unknown');
  metrics.foreignLeasesSeen(2);
  metrics.namespaceViolated();
  metrics.authenticated('token');
  metrics.authenticated('authentication-failed');
  metrics.reloads.succeeded(1_700_000_000, [
    { use: 'server', listener: 'a:2379', epochSeconds: 1_800_000_000 },
  ]);
  metrics.reloads.failed();
  const of = 'tenant="game-1",breaker="write"';
  expect(
    (await lines(metrics, 'etcd_bulkhead_'))
      .filter((line) => !/build_info|_cache_|_keepalive_|_shared_|_log_/.test(line))
      .sort(),
  ).toEqual([
    'etcd_bulkhead_authentications_total{outcome="authentication-failed"} 1',
    'etcd_bulkhead_authentications_total{outcome="token"} 1',
    `etcd_bulkhead_breaker_state{${of}} 1`,
    `etcd_bulkhead_breaker_transitions_total{${of},state="half-open"} 1`,
    `etcd_bulkhead_breaker_transitions_total{${of},state="open"} 1`,
    'etcd_bulkhead_client_connections_limit 9',
    'etcd_bulkhead_config_last_reload_success_timestamp_seconds 1700000000',
    'etcd_bulkhead_config_last_reload_successful 0',
    'etcd_bulkhead_foreign_lease_total 2',
    'etcd_bulkhead_held_bytes 300',
    'etcd_bulkhead_held_calls 3',
    'etcd_bulkhead_in_flight_calls 5',
    'etcd_bulkhead_limit_use{limit="max-total-open-calls"} 0',
    'etcd_bulkhead_limit_use{limit="max-total-open-streams"} 0',
    'etcd_bulkhead_limit_use{limit="max-total-open-watches"} 0',
    'etcd_bulkhead_live_breakers 2',
    'etcd_bulkhead_namespace_violation_total 1',
    'etcd_bulkhead_queued_calls 4',
    'etcd_bulkhead_queued_reads 6',
    'etcd_bulkhead_read_bytes 70000',
    'etcd_bulkhead_rejected_total{reason="tenant-unknown"} 1',
    'etcd_bulkhead_retries_total{grpc_method="Put"} 1',
    'etcd_bulkhead_tls_cert_expiry_timestamp_seconds{use="server",listener="a:2379"} 1800000000',
    'etcd_bulkhead_upstream_connections{endpoint="a:1",class="unary"} 1',
    'etcd_bulkhead_upstream_connections{endpoint="b:1",class="unary"} 0',
    'etcd_bulkhead_upstream_up{endpoint="a:1"} 1',
    'etcd_bulkhead_upstream_up{endpoint="b:1"} 0',
    'etcd_bulkhead_watch_delivered_events_total 0',
    'etcd_bulkhead_watch_feeds 0',
    'etcd_bulkhead_watch_fences_total 0',
    'etcd_bulkhead_watch_history_bytes 0',
    'etcd_bulkhead_watch_joins_total{kind="history"} 0',
    'etcd_bulkhead_watch_joins_total{kind="now"} 0',
    'etcd_bulkhead_watch_joins_total{kind="private"} 0',
    'etcd_bulkhead_watch_lagging_watchers 0',
    'etcd_bulkhead_watch_rounds_total 0',
    'etcd_bulkhead_watch_streams 0',
    'etcd_bulkhead_watch_upstream_events_total 0',
    'etcd_bulkhead_watch_watchers 0',
  ]);
});

test('an unknown reason adds no label', async () => {
  const metrics = new Metrics(idle);
  metrics.calls.rejected('a trailer of a peer');
  expect(await lines(metrics, 'etcd_bulkhead_rejected_total')).toEqual([]);
});

test('every line is valid for Prometheus, and no metric is listed twice', async () => {
  const metrics = new Metrics({
    ...idle,
    upstream: () => [{ name: 'a:1', isUp: true, connections: { unary: 1 } }],
  });
  metrics.calls.started(put);
  metrics.calls.ended(put, Code.OK, 1);
  const { text, contentType } = await metrics.exposition();
  expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  const sample = /^[a-z0-9_]+(?:\{(?:[a-z_]+="[^"]*",?)*\})? (?:[\d.e+-]+|Nan|\+Inf)$/i;
  const names: string[] = [];
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/.exec(line);
    if (type?.[1] !== undefined) names.push(type[1]);
    else if (line !== '' && !line.startsWith('# HELP ')) expect(line).toMatch(sample);
  }
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(
    expect.arrayContaining(['process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']),
  );
});

test('shared keepalives and reads are counted', async () => {
  const keepAlives = new KeepAliveStats();
  Object.assign(keepAlives, { clientStreams: 5, upstreamStreams: 3, requests: 9, renewals: 7 });
  const reads = new ReadStats();
  reads.joined = 2;
  const metrics = new Metrics({ ...idle, sharing: () => ({ keepAlives, reads }) });
  expect(await lines(metrics, 'etcd_bulkhead_keepalive')).toEqual([
    'etcd_bulkhead_keepalive_client_streams 5',
    'etcd_bulkhead_keepalive_upstream_streams 3',
    'etcd_bulkhead_keepalive_requests_total 9',
    'etcd_bulkhead_keepalive_renewals_total 7',
    'etcd_bulkhead_keepalive_repeated_renewals_total 0',
  ]);
  expect(await lines(metrics, 'etcd_bulkhead_shared')).toEqual([
    'etcd_bulkhead_shared_reads_total 2',
  ]);
});

test('the memory for large messages is shown by share', async () => {
  const share = { name: 'requests', bytes: 5, bytesMax: 10, waitingHolds: 2, refusals: 3 };
  const metrics = new Metrics({ ...idle, memory: () => [share] });
  expect(await lines(metrics, 'etcd_bulkhead_message_memory')).toEqual([
    'etcd_bulkhead_message_memory_bytes{share="requests"} 5',
    'etcd_bulkhead_message_memory_limit_bytes{share="requests"} 10',
    'etcd_bulkhead_message_memory_waiting{share="requests"} 2',
    'etcd_bulkhead_message_memory_refusals_total{share="requests"} 3',
  ]);
});

test('client connections are shown by listener, with their limit and what it has closed', async () => {
  const usage = {
    connectionsMax: 9,
    open: new Map([['a:1', 2]]),
    reached: new Map([['displaced', 3]]),
  };
  const metrics = new Metrics({ ...idle, connections: () => usage });
  expect(await lines(metrics, 'etcd_bulkhead_client_connection')).toEqual([
    'etcd_bulkhead_client_connections{listener="a:1"} 2',
    'etcd_bulkhead_client_connections_limit 9',
    'etcd_bulkhead_client_connection_limits_total{reason="displaced"} 3',
  ]);
});

test('states that an operator has forced are reported as long as they last', async () => {
  let forced: ForcedState[] = [];
  const metrics = new Metrics({ ...idle, forced: () => forced });
  const name = 'etcd_bulkhead_forced_states{';
  expect(await lines(metrics, name)).toEqual([]);
  forced = [{ kind: 'breaker', name: 'game/write', state: 'open' }];
  expect(await lines(metrics, name)).toEqual([
    'etcd_bulkhead_forced_states{kind="breaker",name="game/write",state="open"} 1',
  ]);
});

test('reads from memory are counted, and the others by reason', async () => {
  const stats = new CacheStats();
  stats.linearizableHits = 2;
  stats.misses.late = 3;
  stats.fenceMs = 1_500;
  const usage = { stats, memory: { bytes: 7 }, responseMemory: { bytes: 8 } };
  const metrics = new Metrics({ ...idle, cache: () => usage });
  const all = (await lines(metrics, 'etcd_bulkhead_cache_')).filter((line) => !line.endsWith(' 0'));
  expect(all).toEqual([
    'etcd_bulkhead_cache_hits_total{kind="linearizable"} 2',
    'etcd_bulkhead_cache_misses_total{reason="late"} 3',
    'etcd_bulkhead_cache_fence_seconds_total 1.5',
    'etcd_bulkhead_cache_range_bytes 7',
    'etcd_bulkhead_cache_waiting_bytes 8',
  ]);
});

test('log lines that were dropped or suppressed are counted', async () => {
  const suppressed = new SuppressedLines();
  suppressed.access = 3;
  const metrics = new Metrics({ ...idle, logs: () => ({ droppedLines: 2, suppressed }) });
  expect(await lines(metrics, 'etcd_bulkhead_log_')).toEqual([
    'etcd_bulkhead_log_dropped_lines_total 2',
    'etcd_bulkhead_log_suppressed_lines_total{log="access"} 3',
    'etcd_bulkhead_log_suppressed_lines_total{log="audit"} 0',
  ]);
});

test('findings are counted by name, and are missing while the advice is switched off', async () => {
  const usage = { findingCounts: new Map([['large-values', 2]]), untrackedSamples: 5 };
  const metrics = new Metrics({ ...idle, advice: () => usage });
  expect(await lines(metrics, 'etcd_bulkhead_findings')).toEqual([
    'etcd_bulkhead_findings{finding="large-values"} 2',
  ]);
  expect(await lines(metrics, 'etcd_bulkhead_advice_untracked_samples_total')).toEqual([
    'etcd_bulkhead_advice_untracked_samples_total 5',
  ]);
  expect(await lines(new Metrics(idle), 'etcd_bulkhead_findings')).toEqual([]);
});
