/** Requests to an admin address, with servers of the test in the place of the proxy. */
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ask, described, isRefused, reachable } from '../../../src/cli/admin-client.ts';
import { readPage } from '../../../src/cli/top/page.ts';
import type { SocketAddress } from '../../../src/grpc/transport.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const limits = { timeoutMs: 5_000, bodyBytesMax: 1_000 };

async function serving<T>(
  respond: RequestListener,
  use: (address: SocketAddress) => Promise<T>,
  socket?: string,
): Promise<T> {
  const server = createServer(respond);
  if (socket === undefined) server.listen(0, '127.0.0.1');
  else server.listen(socket);
  await once(server, 'listening');
  try {
    const address = server.address() as AddressInfo | string;
    return await use(
      typeof address === 'string' ? { path: address } : { host: '127.0.0.1', port: address.port },
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

describe('a request', () => {
  test.each<[string, string | undefined]>([
    ['TCP', undefined],
    ['a Unix socket', 'socket'],
  ])('over %s has the response', async (_, name) => {
    using directory = new TemporaryDirectory('admin');
    const respond: RequestListener = ({ method, url, headers }, response) => {
      response.writeHead(503).end(`${method} ${url} ${headers.host}\n`);
    };
    const socket = name === undefined ? undefined : join(directory.path, name);
    const response = await serving(respond, (at) => ask(at, 'POST', '/drainz', limits), socket);
    expect(response).toEqual({ code: 503, body: 'POST /drainz localhost\n' });
    expect(described(response)).toBe('503 POST /drainz localhost');
  });

  test.each<[string, RequestListener]>([
    ['no response arrives', () => {}],
    ['the response does not end', (_, response) => void response.write('a part')],
  ])('fails with a text of its own if %s in time', async (_, respond) => {
    const response = await serving(respond, (at) =>
      ask(at, 'GET', '/', { ...limits, timeoutMs: 50 }),
    );
    expect(described(response)).toBe('no response within 0.05 s');
    expect(isRefused(response)).toBe(false);
  });

  test('fails if the response is larger than its limit, or ends early', async () => {
    const large = await serving(
      (_, response) => response.end('x'.repeat(1_001)),
      (at) => ask(at, 'GET', '/', limits),
    );
    expect(described(large)).toBe('the response is too large');
    const short = await serving(
      (_, response) => response.write('a part', () => response.destroy()),
      (at) => ask(at, 'GET', '/', limits),
    );
    expect(short).toBeInstanceOf(Error);
    expect(described(short)).not.toBe('');
  });

  test('to an address where nothing listens is refused', async () => {
    const gone = await serving(
      () => {},
      async (at) => at,
    );
    expect(isRefused(await ask(gone, 'GET', '/', limits))).toBe(true);
    expect(isRefused(await ask({ path: '/nonexistent/socket' }, 'GET', '/', limits))).toBe(true);
  });
});

test('a server on all interfaces is reached on the local machine', () => {
  expect(reachable({ host: '0.0.0.0', port: 1 })).toEqual({ host: '127.0.0.1', port: 1 });
  expect(reachable({ host: '::', port: 1 })).toEqual({ host: 'localhost', port: 1 });
  expect(reachable({ host: '10.0.0.1', port: 1 })).toEqual({ host: '10.0.0.1', port: 1 });
  expect(reachable({ path: '/socket' })).toEqual({ path: '/socket' });
});

describe('a page of top', () => {
  const page = (code: number, body: string) =>
    serving(
      (_, response) => response.writeHead(code).end(body),
      (at) => readPage(at, '/tenantz'),
    );

  test('is parsed, and null if the proxy does not have it', async () => {
    expect(await page(200, '{"tenants":[]}')).toEqual({ tenants: [] });
    expect(await page(404, 'not found')).toBeNull();
  });

  test('that is something else is rejected with a description', async () => {
    await expect(page(500, '{}')).rejects.toThrow('/tenantz: 500');
    await expect(page(200, '<html>')).rejects.toThrow('/tenantz is not JSON');
    await expect(readPage({ path: '/nonexistent/socket' }, '/tenantz')).rejects.toThrow('ENOENT');
  });
});
