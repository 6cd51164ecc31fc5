import { once } from 'node:events';
import { linkSync, statSync } from 'node:fs';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { type Admin, type AdminParts, startAdmin } from '../../../src/admin/server.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { RecentDurations } from '../../../src/tenant/recent-durations.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const configuration = {
  hash: 'abc',
  since: '2026-01-01T00:00:00.000Z',
  problems: ['c.yaml:1: is wrong'],
  needRestart: ['hold'],
  certificates: [{ use: 'server' as const, listener: 'main', expires: '2027-01-01T00:00:00.000Z' }],
  settings: [{ name: 'hold', value: '5s', origin: 'default' }],
};

const endpoint = {
  ...{ name: 'a:1', state: 'failed', lastError: 'ECONNREFUSED', version: '', role: '', dbBytes: 0 },
  connections: { unary: 1, watch: 0, lease: 0 },
  openStreams: { unary: 2, watch: 0, lease: 0 },
};

const open: Admin[] = [];
afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
});

function durationsOf(each: readonly number[]): readonly number[] {
  const durations = new RecentDurations();
  for (const ms of each) durations.record(ms, 0);
  return durations.recent(0);
}

async function start(overrides: Partial<AdminParts> = {}) {
  const lifecycle = new Lifecycle();
  const admin = await startAdmin({
    address: { host: '127.0.0.1', port: 0 },
    lifecycle,
    clock: systemClock,
    version: '1.2.3',
    configuration: () => configuration,
    upstream: () => [endpoint],
    feeds: () => [],
    tenants: () => [],
    health: async () => ({ isHealthy: true, reason: '' }),
    openCalls: () => ({ unary: 1, waiting: 2, watch: 3, keepalive: 4, stream: 5 }),
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    ...overrides,
  });
  open.push(admin);
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://${admin.address}${path}`, init);
    return { code: response.status, body: await response.text(), headers: response.headers };
  };
  return { lifecycle, admin, get };
}

/** A connection that the server has accepted. Nothing is sent on it. */
async function silent(admin: Admin): Promise<Socket> {
  const [host = '', port] = admin.address.split(':');
  const socket = connect(Number(port), host);
  await once(socket, 'connect');
  return socket;
}

/** Sends these bytes, and returns everything that the server sends until it closes the connection. */
async function raw(admin: Admin, request: string): Promise<string> {
  const socket = await silent(admin);
  socket.write(request);
  return await textOf(socket);
}

test('/drainz shows the phase and the open calls by kind', async () => {
  const { lifecycle, get } = await start();
  const page = async () => JSON.parse((await get('/drainz')).body);
  const calls = { unary: 1, waiting: 2, watch: 3, keepalive: 4, stream: 5 };
  expect(await page()).toEqual({ phase: 'starting', open: calls });
  lifecycle.move('draining');
  expect(await page()).toEqual({ phase: 'draining', open: calls });
});

describe('probes', () => {
  test('startup and readiness follow the lifecycle of the process', async () => {
    const { lifecycle, get } = await start();
    const codes = async () => [(await get('/startupz')).code, (await get('/readyz')).code];
    expect(await codes()).toEqual([503, 503]);
    lifecycle.move('serving');
    expect(await codes()).toEqual([200, 200]);
    lifecycle.move('draining');
    expect(await codes()).toEqual([200, 503]);
  });

  test('liveness is ok while the process responds', async () => {
    const { get } = await start();
    expect(await get('/livez')).toMatchObject({ code: 200, body: 'ok\n' });
  });

  test('readiness does not depend on etcd', async () => {
    const { lifecycle, get } = await start({
      upstream: () => {
        throw new Error('must not be called');
      },
    });
    lifecycle.move('serving');
    expect((await get('/readyz')).code).toBe(200);
  });

  test('?verbose lists the checks', async () => {
    const { lifecycle, get } = await start();
    lifecycle.move('serving');
    lifecycle.move('draining');
    expect(await get('/readyz?verbose')).toMatchObject({
      code: 503,
      body: '[+] started\n[-] not draining\n',
    });
  });
});

test('state pages are JSON', async () => {
  const { get } = await start();
  expect(JSON.parse((await get('/upstreamz')).body)).toEqual({
    endpoints: [endpoint],
  });
  expect(JSON.parse((await get('/configz')).body)).toEqual(configuration);
  expect(JSON.parse((await get('/version')).body)).toMatchObject({ 'etcd-bulkhead': '1.2.3' });
});

test('/tenantz shows percentiles of the recent durations, and the time of the counts', async () => {
  const counts = { calls: 5, errors: 2, refused: 1, requestBytes: 10, responseBytes: 20 };
  const gauges = { openCalls: 1, streams: 2, watches: 3, feeds: 1, leases: 7 };
  const report = {
    ...{ tenant: 'a', namespace: 'a/', ...counts, ...gauges },
    breakers: [{ class: 'write' as const, state: 'open' as const, forced: true }],
    limits: [{ name: 'max-open-calls', used: 1, limit: 100, refused: 0 }],
  };
  const { get } = await start({
    clock: new ManualClock(),
    tenants: () => [
      { ...report, durations: durationsOf([1, 1, 1, 90]) },
      { ...report, tenant: 'idle', durations: [] },
    ],
  });
  const { body, headers } = await get('/tenantz');
  expect(headers.get('content-type')).toBe('application/json');
  const { now, tenants } = JSON.parse(body);
  expect(now).toBe('2023-11-14T22:13:20.000Z');
  expect(tenants[0]).toMatchObject({ ...report, p50Ms: expect.closeTo(1, 0) });
  expect(tenants[0].p99Ms).toBeGreaterThan(80);
  expect(tenants[0].p99Ms).toBeLessThan(100);
  expect(tenants[1]).toEqual({ ...report, tenant: 'idle', p50Ms: null, p99Ms: null });
});

describe('/tenantz?max-age', () => {
  const pages = async (paths: readonly string[], clock = new ManualClock(), advanceMs = 0) => {
    let made = 0;
    const { get } = await start({
      clock,
      tenants: async () => {
        made += 1;
        return [];
      },
    });
    for (const path of paths) {
      expect((await get(path)).code).toBe(200);
      clock.advance(advanceMs);
    }
    return made;
  };

  test('shares a page that is young enough, and makes a new one without it', async () => {
    const shared = '/tenantz?max-age=900';
    expect(await pages([shared, shared, shared])).toBe(1);
    expect(await pages(['/tenantz', shared, '/tenantz'])).toBe(2);
    expect(await pages([shared, shared, shared], new ManualClock(), 1_000)).toBe(3);
    expect(await pages([shared, '/tenantz?max-age=x', '/tenantz?max-age=-1'])).toBe(3);
  });

  test('keeps no page, and shares no failure', async () => {
    const clock = new ManualClock();
    let isBroken = true;
    const { get } = await start({
      clock,
      tenants: () => (isBroken ? Promise.reject(new Error('broken')) : []),
    });
    expect((await get('/tenantz?max-age=900')).code).toBe(500);
    isBroken = false;
    expect((await get('/tenantz?max-age=900')).code).toBe(200);
    clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
  });
});

test('metrics have the media type of their format', async () => {
  const { body, headers } = await (await start()).get('/metrics');
  expect(body).toBe('up 1\n');
  expect(headers.get('content-type')).toBe('text/plain; version=0.0.4');
});

test('the pages of etcd’s own proxy are there: its metrics, and its health as etcd writes it', async () => {
  const { lifecycle, get } = await start();
  expect((await get('/proxy/metrics')).body).toBe('up 1\n');
  expect(await get('/health')).toMatchObject({ code: 200, body: '{"health":"true"}' });
  const starting = { code: 503, body: '{"health":"false","reason":"starting"}' };
  expect(await get('/proxy/health')).toMatchObject(starting);
  lifecycle.move('serving');
  expect(await get('/proxy/health')).toMatchObject({ code: 200, body: '{"health":"true"}' });
});

test('/health is 503 with the reason while etcd does not serve the proxy', async () => {
  const reason = 'GET ERROR:etcdserver: request timed out';
  const { lifecycle, get } = await start({ health: async () => ({ isHealthy: false, reason }) });
  lifecycle.move('serving');
  const sick = { code: 503, body: JSON.stringify({ health: 'false', reason }) };
  expect(await get('/health')).toMatchObject(sick);
  expect(await get('/proxy/health')).toMatchObject(sick);
});

describe('bad requests', () => {
  test('an unknown path is not found, another method is not allowed', async () => {
    const { get } = await start();
    expect((await get('/debug')).code).toBe(404);
    const posted = await get('/livez', { method: 'POST', body: 'x' });
    expect(posted.code).toBe(405);
    expect(posted.headers.get('allow')).toBe('GET, HEAD');
  });

  test('HEAD has no body', async () => {
    expect(await (await start()).get('/livez', { method: 'HEAD' })).toMatchObject({
      code: 200,
      body: '',
    });
  });

  test('a request with a foreign host name is rejected (DNS rebinding)', async () => {
    const { admin } = await start();
    const request = (host: string) =>
      raw(admin, `GET /configz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    for (const host of ['evil.example', '127.evil.example', 'evil.example:2381']) {
      expect(await request(host), host).toMatch(/^HTTP\/1\.1 421 /);
    }
    for (const host of ['localhost:2381', '127.0.0.1', '[::1]:2381']) {
      expect(await request(host), host).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  test('a loopback host name is accepted in upper case', async () => {
    const { admin } = await start();
    const response = await raw(admin, 'GET /livez HTTP/1.0\r\nHost: LOCALHOST:2381\r\n\r\n');
    expect(response).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('a page that fails affects only its own request', async () => {
    const { get } = await start({ metrics: () => Promise.reject(new Error('broken')) });
    expect((await get('/metrics')).code).toBe(500);
    expect((await get('/livez')).code).toBe(200);
  });

  test('headers beyond the limit and bytes that are not HTTP end the connection', async () => {
    const { admin, get } = await start();
    const long = `GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    await raw(admin, long).catch(() => {});
    await raw(admin, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n').catch(() => {});
    expect((await get('/livez')).code).toBe(200);
  });
});

describe('close', () => {
  test('is not delayed without limit by a client that connects and sends nothing', async () => {
    const clock = new ManualClock();
    const { admin, get } = await start({ clock });
    const socket = await silent(admin);
    // The server accepts connections in order, so it has accepted the silent one now.
    await get('/livez');
    const closed = admin.close();
    clock.advance(1_500);
    await closed;
    await once(socket, 'close');
    open.length = 0;
    expect(clock.pendingTimers).toBe(0);
  });

  test('finishes a request in flight', async () => {
    const clock = new ManualClock();
    const metrics = Promise.withResolvers<{ contentType: string; text: string }>();
    const { admin, get } = await start({ clock, metrics: () => metrics.promise });
    const scrape = get('/metrics');
    // The server reads requests in order, so it has begun the scrape now.
    await get('/livez');
    const closed = admin.close();
    clock.advance(1_000);
    metrics.resolve({ contentType: 'text/plain', text: 'up 1\n' });
    expect(await scrape).toMatchObject({ code: 200, body: 'up 1\n' });
    clock.advance(500);
    await closed;
    open.length = 0;
    expect(clock.pendingTimers).toBe(0);
  });
});

test('a request head that does not arrive within 5 s is cut off', async () => {
  const { admin } = await start();
  const startedMs = performance.now();
  await raw(admin, 'GET /livez HTTP/1.1\r\nHost: ');
  const elapsedMs = performance.now() - startedMs;
  expect(elapsedMs).toBeGreaterThan(4_000);
  expect(elapsedMs).toBeLessThan(9_000);
});

test('a socket file that a killed process left behind is replaced', async () => {
  using directory = new TemporaryDirectory('admin');
  const path = join(directory.path, 'admin.sock');
  // The file stays when a socket is bound, linked to another name and closed.
  const killed = createServer().listen(`${path}.old`);
  await once(killed, 'listening');
  linkSync(`${path}.old`, path);
  killed.close();
  await once(killed, 'close');
  const { admin } = await start({ address: { path } });
  expect(admin.address).toBe(`unix://${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  const response = await new Promise<IncomingMessage>((resolve) =>
    httpGet({ socketPath: path, path: '/livez', agent: false }, resolve),
  );
  expect(await textOf(response)).toBe('ok\n');
});

test('startAdmin rejects if the port is in use', async () => {
  const { admin } = await start();
  const port = Number(admin.address.split(':')[1]);
  await expect(start({ address: { host: '127.0.0.1', port } })).rejects.toThrow('EADDRINUSE');
});
