/** HTTP/1.1 on the port that serves gRPC, in the clear and over TLS. */

import { once } from 'node:events';
import { createServer, get as getPlain, type Server, type ServerResponse } from 'node:http';
import { get as getTls } from 'node:https';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { endedCall } from '../../../src/grpc/call.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import type { Listener, ServerTls } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { connectionsOf } from '../../support/client-connections.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { until } from '../../support/until.ts';

const listeners: Listener[] = [];
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.drain(0)));
});

function transportOf(http1: Server | null): NativeServerTransport {
  return new NativeServerTransport({
    clock: systemClock,
    memory: memoryOf(),
    connections: connectionsOf(),
    onFault: (fault) => {
      throw fault;
    },
    http1,
  });
}

async function listenOn(
  transport: NativeServerTransport,
  tls: ServerTls | null = null,
  port = 0,
): Promise<{ readonly listener: Listener; readonly port: number }> {
  const listener = await transport.listen(
    {
      name: 'x',
      address: { host: '127.0.0.1', port },
      tls,
      messageBytesMax: 1_000,
      streamsMax: Infinity,
    },
    { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
  );
  listeners.push(listener);
  return { listener, port: Number(listener.address.split(':')[1]) };
}

const listen = async (http1: Server | null, tls: ServerTls | null = null): Promise<number> =>
  (await listenOn(transportOf(http1), tls)).port;

/** A connection that sent one request for `path`. */
function request(port: number, path: string): Socket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
  return socket;
}

const health = () =>
  createServer((request, response) => {
    response.end(`${request.method} ${request.url} ${request.headers['x-long']?.length ?? 0}`);
  });

function answerTo(get: typeof getPlain, url: string, options: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = get(url, { agent: false, ...options }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(text));
    });
    asked.on('error', reject);
  });
}

test('a health check is answered, also one whose head comes in several reads', async () => {
  const port = await listen(health());
  const url = `http://127.0.0.1:${port}/health`;
  const options = { headers: { 'x-long': 'x'.repeat(10_000) } };
  expect(await answerTo(getPlain, url, options)).toBe('GET /health 10000');
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString();
  });
  for (const byte of 'PUT /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n') {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await new Promise((resolve) => socket.on('close', resolve));
  expect(answer).toContain('PUT /x 0');
});

test('over TLS too, for clients that ask for HTTP/1.1 by name', async () => {
  using authority = new CertificateAuthority();
  const pair = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
  const port = await listen(health(), { ...pair, clientAuthorities: null });
  const options = { ca: authority.certificate, ALPNProtocols: ['http/1.1'] };
  expect(await answerTo(getTls, `https://127.0.0.1:${port}/version`, options)).toBe(
    'GET /version 0',
  );
});

test('without a handler for it the connection is cut', async () => {
  const port = await listen(null);
  await expect(answerTo(getPlain, `http://127.0.0.1:${port}/`, {})).rejects.toThrow();
});

test('an idle HTTP/1.1 connection does not hold up a drain', async () => {
  const { listener, port } = await listenOn(transportOf(health()));
  await once(request(port, '/'), 'data');
  const before = performance.now();
  expect(await listener.drain(5_000)).toBe(0);
  expect(performance.now() - before).toBeLessThan(2_000);
});

test('a listener that drains closes its own HTTP/1.1 connections, each after its response', async () => {
  const responses: ServerResponse[] = [];
  const transport = transportOf(
    createServer((asked, response) => {
      if (asked.url === '/slow') responses.push(response);
      else response.end('fast');
    }),
  );
  const [draining, other] = [await listenOn(transport), await listenOn(transport)];
  const [idle, busy, kept] = [
    request(draining.port, '/'),
    request(draining.port, '/slow'),
    request(other.port, '/'),
  ];
  await Promise.all([once(idle, 'data'), once(kept, 'data')]);
  await until('the slow request', () => responses.length === 1);
  const drained = draining.listener.drain(5_000);
  await once(idle, 'close');
  const received = once(busy, 'data');
  const closed = once(busy, 'close');
  responses[0]?.end('late');
  expect(String(await received)).toContain('late');
  await closed;
  expect(await drained).toBe(0);
  kept.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(String(await once(kept, 'data'))).toContain('fast');
});

test('listeners that come and go leave nothing behind on the HTTP/1.1 handler', async () => {
  const http1 = health();
  const transport = transportOf(http1);
  const { port } = await listenOn(transport);
  const before = http1.listenerCount('request');
  for (let i = 0; i < 3; i++) {
    const { listener } = await listenOn(transport);
    await listener.drain(0);
  }
  await expect(listenOn(transport, null, port)).rejects.toThrow('EADDRINUSE');
  expect(http1.listenerCount('request')).toBe(before);
});
