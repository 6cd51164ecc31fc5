/** Peers that speak another protocol, or none. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Code, status } from '../../../src/grpc/status.ts';
import { until } from '../../support/until.ts';
import { dialOptions, Loop, portOf, unaryMethod } from './loop.ts';
import type { PairKind } from './pairs.ts';

/** A TCP server that does `onConnection` and nothing else. */
async function tcpServer(onConnection: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One test for all kinds, because the timeout takes seconds. */
export function silentServerSuite(kinds: readonly PairKind[]): void {
  test('a server that accepts and stays silent fails the channel with a reason, with TLS and without', async () => {
    await using server = await tcpServer(() => {});
    const unverified = {
      authorities: null,
      certificate: null,
      key: null,
      serverName: null,
      skipVerification: true,
    };
    const channels = kinds.flatMap((kind) =>
      [null, unverified].map((tls) =>
        kind.make().client.dial({ ...dialOptions, address: server.address, tls }),
      ),
    );
    await until('failures', () => channels.every(({ state }) => state === 'failed'), 8_000);
    for (const channel of channels) {
      expect(channel.failure).toMatch(/^no HTTP\/2 settings within \d+ ms$/);
      channel.close();
    }
  });
}

export function foreignPeersSuite(kind: PairKind): void {
  test.each(['HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-2.0-OpenSSH_9.2\r\n', '\0'.repeat(100)])(
    'a server that sends %j fails the channel with a reason',
    async (garbage) => {
      await using server = await tcpServer((socket) => socket.end(garbage));
      const channel = kind.make().client.dial({ ...dialOptions, address: server.address });
      await until('failure', () => channel.state === 'failed');
      expect(channel.failure).not.toBe('');
      channel.close();
    },
  );

  test('clients that send garbage or HTTP/1.1 do not affect others', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.end(status(Code.NOT_FOUND, 'fine'));
    for (const garbage of [
      'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
      '\0'.repeat(200),
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff',
    ]) {
      const socket = connect(portOf(loop.listener), '127.0.0.1');
      socket.on('error', () => {});
      socket.write(Buffer.from(garbage, 'latin1'));
      expect((await loop.unary().ended()).text).toBe('fine');
      socket.destroy();
    }
  });

  test('HTTP/2 requests that are not valid gRPC do not affect others', async () => {
    await using loop = await Loop.open(kind);
    loop.handler.onCall = (call) => call.end(status(Code.NOT_FOUND, 'fine'));
    const session = connectHttp2(`http://127.0.0.1:${portOf(loop.listener)}`);
    session.on('error', () => {});
    const grpc = {
      ':method': 'POST',
      ':path': unaryMethod.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    };
    const requests: [Record<string, string>, Buffer][] = [
      [{ ':path': '/' }, Buffer.alloc(0)],
      [{ ...grpc, 'content-type': 'text/plain' }, Buffer.alloc(0)],
      [{ ...grpc, 'grpc-timeout': 'soon' }, Buffer.from([0, 0, 0, 0, 0])],
      [{ ...grpc, 'grpc-encoding': 'mystery' }, Buffer.from([1, 0, 0, 0, 1, 9])],
      [{ ...grpc, 'bad-bin': '\u00ff***', token: 'caf\u00e9' }, Buffer.from([0, 0, 0, 0, 0])],
      [grpc, Buffer.alloc(0)],
      [grpc, Buffer.from([0, 0, 0])],
      [grpc, Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
      [{ ...grpc, ':path': `/${'x'.repeat(4_000)}` }, Buffer.alloc(0)],
    ];
    for (const [headers, body] of requests) {
      const stream = session.request(headers);
      stream.on('error', () => {});
      stream.end(body);
      stream.resume();
      // Not `once`, which rejects on the error that precedes some of them.
      await new Promise((resolve) => stream.on('close', resolve));
    }
    session.destroy();
    expect((await loop.unary().ended()).text).toBe('fine');
  });
}
