/** HTTP/1.1 on the port that serves gRPC, in the clear and over TLS. */
import { createServer, get as getPlain, type Server } from 'node:http';
import { get as getTls } from 'node:https';
import { connect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { endedCall } from '../../../src/grpc/call.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import type { Listener, ServerTls } from '../../../src/grpc/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { CertificateAuthority } from '../../support/certificates.ts';

let listener: Listener | null = null;
afterEach(async () => {
  await listener?.drain(0);
});

async function listen(http1: Server | null, tls: ServerTls | null = null): Promise<number> {
  const transport = new NativeServerTransport({
    clock: systemClock,
    onFault: (fault) => {
      throw fault;
    },
    http1,
  });
  listener = await transport.listen(
    {
      name: 'x',
      address: { host: '127.0.0.1', port: 0 },
      tls,
      messageBytesMax: 1_000,
      streamsMax: Infinity,
    },
    { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
  );
  return Number(listener.address.split(':')[1]);
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
  const port = await listen(health());
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  const before = performance.now();
  expect(await listener?.drain(5_000)).toBe(0);
  expect(performance.now() - before).toBeLessThan(2_000);
});
