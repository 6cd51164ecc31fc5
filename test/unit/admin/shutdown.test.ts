/** POST /quitquitquit, which is off by default. */
import { request as httpRequest } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { type Admin, startAdmin } from '../../../src/admin/server.ts';
import { shutdownRejection } from '../../../src/admin/shutdown.ts';
import type { SocketAddress } from '../../../src/grpc/transport.ts';
import { Lifecycle } from '../../../src/lifecycle/lifecycle.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const open: Admin[] = [];
afterEach(async () => {
  for (const admin of open.splice(0)) await admin.close();
});

const isJson = { 'content-type': 'application/json' };

async function start(isEnabled: boolean, address: SocketAddress = { host: '127.0.0.1', port: 0 }) {
  const requests: string[] = [];
  const unused = () => Promise.reject(new Error('unused'));
  const admin = await startAdmin({
    ...{ address, lifecycle: new Lifecycle(), clock: systemClock, version: '1.2.3' },
    ...{ configuration: unused, upstream: unused, metrics: unused },
    feeds: () => [],
    tenants: () => [],
    health: async () => ({ isHealthy: true, reason: '' }),
    openCalls: () => ({ unary: 0, waiting: 0, watch: 0, keepalive: 0, stream: 0 }),
    ...(isEnabled && { onShutdown: (remote: string) => requests.push(remote) }),
  });
  open.push(admin);
  return { admin, requests };
}

/** Returns the status code and the header `allow`. */
async function send(
  target: { readonly socketPath: string } | { readonly host: string; readonly port: number },
  { method = 'POST', headers = isJson }: { method?: string; headers?: Record<string, string> } = {},
) {
  const { promise, resolve, reject } =
    Promise.withResolvers<readonly [number, string | undefined]>();
  httpRequest({ ...target, method, path: '/quitquitquit', headers, agent: false }, (response) => {
    text(response).then(() => resolve([response.statusCode ?? 0, response.headers.allow]), reject);
  })
    .on('error', reject)
    .end();
  return promise;
}

function at(admin: Admin, host = '127.0.0.1') {
  return { host, port: Number(admin.address.split(':').at(-1)) };
}

test('a request over loopback is accepted', async () => {
  const { admin, requests } = await start(true);
  expect(await send(at(admin))).toEqual([200, undefined]);
  expect(requests).toEqual(['127.0.0.1']);
});

test('a request over a Unix socket is accepted', async () => {
  using directory = new TemporaryDirectory('shutdown');
  const path = join(directory.path, 'admin.sock');
  const { requests } = await start(true, { path });
  expect(await send({ socketPath: path })).toEqual([200, undefined]);
  expect(requests).toEqual(['']);
});

test('nothing but a POST with the type of an API is accepted', async () => {
  const { admin, requests } = await start(true);
  expect(await send(at(admin), { method: 'GET' })).toEqual([405, 'POST']);
  expect(await send(at(admin), { headers: {} })).toEqual([415, undefined]);
  expect(await send(at(admin), { headers: { ...isJson, origin: 'http://a.example' } })).toEqual([
    403,
    undefined,
  ]);
  expect(await send(at(admin), { headers: { ...isJson, 'sec-fetch-site': 'none' } })).toEqual([
    403,
    undefined,
  ]);
  // The name of another page that resolves to this address.
  expect(await send(at(admin), { headers: { ...isJson, host: 'a.example' } })).toEqual([
    421,
    undefined,
  ]);
  expect(requests).toEqual([]);
});

test('a request from another address of the machine, or of another machine, is rejected', async () => {
  const own = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  // A machine without a network has no other address. The addresses are then only those of loopback.
  if (own === undefined) return;
  const { admin, requests } = await start(true, { host: '0.0.0.0', port: 0 });
  expect(await send(at(admin, own))).toEqual([403, undefined]);
  expect(await send(at(admin))).toEqual([200, undefined]);
  expect(requests).toEqual(['127.0.0.1']);
});

test('a client that has reset its connection after the request has no address, and is rejected', () => {
  const request = { headers: isJson, socket: { remoteAddress: undefined } } as never;
  expect(shutdownRejection(request, { host: '0.0.0.0', port: 2381 })?.code).toBe(403);
  expect(shutdownRejection(request, { path: '/run/admin.sock' })).toBeNull();
});

test('without the setting there is no such page', async () => {
  const { admin } = await start(false);
  expect(await send(at(admin))).toEqual([404, undefined]);
});
