import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { type SettingName, settingNames, settingOf } from '../../../src/config/schema.ts';
import type { ListenerConfig } from '../../../src/config/sections/listeners.ts';
import { endpointsByWorker, groupedByWorker } from '../../../src/workers/by-worker.ts';
import { Heartbeat } from '../../../src/workers/heartbeat.ts';
import { RestartBackoff } from '../../../src/workers/restart-backoff.ts';
import { WorkerConfig } from '../../../src/workers/worker-config.ts';

async function configOf(file: Readonly<Record<string, unknown>>) {
  const { config, problems } = await loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: JSON.stringify({ endpoints: ['a:1'], ...file }) },
    checkTenants: () => [],
  });
  if (config === null) throw new Error(JSON.stringify(problems));
  return config;
}

describe('the restart of a worker', () => {
  const middle = { integer: (min: number, max: number) => Math.floor((min + max) / 2) };
  const limits = { firstMs: 100, maxMs: 1_000, stableMs: 60_000 };

  test('is delayed twice as long after each early end, up to a limit', () => {
    const backoff = new RestartBackoff(middle, limits);
    const delays = Array.from({ length: 6 }, () => backoff.delayMs(5));
    expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  });

  test('is soon again after a worker that ran long', () => {
    const backoff = new RestartBackoff(middle, limits);
    for (let i = 0; i < 5; i++) backoff.delayMs(5);
    expect(backoff.delayMs(60_000)).toBe(100);
    expect(backoff.delayMs(5)).toBe(200);
  });
});

test('a worker is hung, and killed later, by pings without a response', () => {
  const heartbeat = new Heartbeat({ intervalMs: 1, hungAfter: 2, killAfter: 4 });
  const states = Array.from({ length: 6 }, () => {
    heartbeat.pinged();
    return [heartbeat.isHung, heartbeat.mustBeKilled];
  });
  expect(states.map(([isHung]) => isHung)).toEqual([false, false, true, true, true, true]);
  expect(states.map(([, mustBeKilled]) => mustBeKilled)).toEqual([
    ...[false, false, false, false, true, true],
  ]);
  heartbeat.responded();
  expect([heartbeat.isHung, heartbeat.mustBeKilled]).toEqual([false, false]);
});

test('equal rows of workers are one row', () => {
  const up = { name: 'a:1', state: 'ready' };
  const down = { name: 'a:1', state: 'failed' };
  expect(
    groupedByWorker([
      { worker: 1, rows: [up] },
      { worker: 2, rows: [down] },
      { worker: 3, rows: [up] },
    ]),
  ).toEqual([
    { ...up, workers: [1, 3] },
    { ...down, workers: [2] },
  ]);
});

test('equal states of an endpoint in several workers are one row with the sum of the connections', () => {
  const counts = (unary: number) => ({ unary, watch: 1, lease: 0 });
  const row = (state: string, dbBytes: number, unary: number) => ({
    ...{ name: 'a:1', state, lastError: '', version: '3.6.1', role: 'leader', dbBytes },
    ...{ connections: counts(unary), openStreams: counts(2 * unary) },
  });
  expect(
    endpointsByWorker([
      { worker: 1, rows: [row('ready', 10, 1)] },
      { worker: 2, rows: [row('failed', 10, 0)] },
      { worker: 3, rows: [row('ready', 30, 2)] },
    ]),
  ).toEqual([
    {
      ...row('ready', 30, 0),
      connections: { unary: 3, watch: 2, lease: 0 },
      openStreams: { unary: 6, watch: 2, lease: 0 },
      workers: [1, 3],
    },
    { ...row('failed', 10, 0), workers: [2] },
  ]);
});

describe('the configuration of a new worker', () => {
  const name = '127.0.0.1:0';
  const portOf = ({ address }: ListenerConfig) => ('port' in address ? address.port : null);

  test('has the values of the first start for every setting that a reload does not apply', async () => {
    const others: { readonly [name in SettingName]?: unknown } = {
      'dial-keepalive-time': '20s',
      'dial-keepalive-timeout': '6s',
      'max-concurrent-streams': 7,
      'grpc-keepalive-min-time': '7s',
      'grpc-keepalive-interval': '7s',
      'grpc-keepalive-timeout': '7s',
      'max-connections': 7,
      'max-in-flight': 7,
      'max-read-bytes': '2MiB',
      'max-request-bytes': '1MiB',
      'message-memory': '64MiB',
      'advertise-client-url': ['http://a:1'],
      'enable-grpc-gateway': false,
      cors: ['*'],
      'resolver-prefix': '/proxies',
      'resolver-ttl': 5,
      'share-reads': true,
      hold: '1s',
      'request-timeout': '20s',
      breaker: false,
      'breaker-window': '20s',
      'breaker-min-calls': 7,
      'breaker-error-percent': 7,
      'breaker-open': '2s',
      'breaker-open-max': '20s',
      workers: 3,
      'admin-addr': '127.0.0.1:1',
      // It requires a certificate, and workers have no admin address.
      'admin-tls': false,
      'admin-actions': true,
      'admin-shutdown': true,
      'log-level': 'debug',
      'log-keys': 'on',
      'access-log': 'sampled',
      'access-log-slow': '2s',
      'access-log-sample': 7,
      'access-log-rate': 7,
      'audit-log': 'off',
      advice: 'off',
      'otlp-endpoint': 'http://collector:4318',
      'trace-ratio': '0.5',
      transport: 'grpc-js',
    };
    const restart = settingNames.filter((each) => {
      const { reload, notInFile } = settingOf(each);
      return reload === 'restart' && notInFile !== true;
    });
    expect(Object.keys(others).sort()).toEqual([...restart].sort());
    const started = await configOf({ workers: 2 });
    const config = new WorkerConfig(started);
    config.commit(await configOf({ ...others, namespace: 'new/', 'drain-window': '1s' }));
    const { effective: _, tenants, drain, ...kept } = config.forNewWorker;
    expect(tenants).toMatchObject([{ namespace: 'new/' }]);
    expect(drain).toMatchObject({ windowMs: 1_000 });
    const { effective: _e, tenants: _t, drain: _d, ...before } = started;
    expect(kept).toEqual(before);
  });

  test('has port 0 while workers hold the port that was picked, and that port afterwards', async () => {
    const config = new WorkerConfig(await configOf({ 'listen-addr': `${name},127.0.0.2:7` }));
    const ports = () => config.forNewWorker.listeners.map(portOf);
    config.bound(
      new Map([
        [name, '127.0.0.1:4711'],
        ['127.0.0.2:7', '127.0.0.2:7'],
      ]),
    );
    expect(config.addresses).toEqual(['127.0.0.1:4711', '127.0.0.2:7']);
    expect(ports()).toEqual([0, 7]);
    expect(config.keepPorts()).toBe(true);
    expect(ports()).toEqual([4711, 7]);
    // Workers that start now already get the right ports.
    expect(config.keepPorts()).toBe(false);
  });

  test('keeps the TLS mode of bound listeners', async () => {
    const plain = await configOf({ 'listen-addr': name });
    const [listener] = plain.listeners;
    if (listener === undefined) throw new Error('no listener');
    const tls = { certificate: Buffer.from('c'), key: Buffer.from('k'), clientAuthorities: null };
    const config = new WorkerConfig(plain);
    const added = { ...listener, name: 'added', tls };
    const needRebind = config.commit({ ...plain, listeners: [{ ...listener, tls }, added] });
    expect(needRebind).toEqual([name]);
    expect(config.forNewWorker.listeners.map((each) => each.tls !== null)).toEqual([false, true]);
  });

  test('has the new certificate of a bound listener whose socket keeps its permissions', async () => {
    const before = await configOf({ 'listen-addr': 'unix:///s', 'socket-mode': '0660' });
    const after = await configOf({ 'listen-addr': 'unix:///s', 'socket-mode': '0600' });
    const withCertificate = (config: typeof before, text: string) => {
      const certificate = Buffer.from(text);
      const tls = { certificate, key: Buffer.from('k'), clientAuthorities: null };
      return { ...config, listeners: config.listeners.map((each) => ({ ...each, tls })) };
    };
    const config = new WorkerConfig(withCertificate(before, 'old'));
    expect(config.commit(withCertificate(after, 'new'))).toEqual(['unix:///s']);
    const [listener] = config.forNewWorker.listeners;
    expect(listener?.tls?.certificate.toString()).toBe('new');
    expect(listener?.address).toEqual(before.listeners[0]?.address);
  });
});
