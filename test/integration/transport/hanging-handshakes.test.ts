/** TLS handshakes that are not finished, on both transports: they end in time, and a client that finishes is served. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { endedCall } from '../../../src/grpc/call.ts';
import { clientHandshakeMsMax } from '../../../src/grpc/connection-policy.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import type { ServerTransportOptions } from '../../../src/grpc/transport.ts';
import { clientPreface } from '../../../src/http2/frame.ts';
import { settingsFrame } from '../../../src/http2/settings.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { connectionsOf } from '../../support/client-connections.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { memoryOf } from '../../support/message-memory.ts';
import { until } from '../../support/until.ts';

const transports = {
  native: (options: ServerTransportOptions) =>
    new NativeServerTransport({ ...options, memory: memoryOf(), http1: null }),
  'grpc-js': (options: ServerTransportOptions) => new GrpcJsServerTransport(options),
} as const;

/** The head of a TLS record with a ClientHello of 512 bytes, and its first byte. */
const beginning = Buffer.from([0x16, 3, 1, 2, 0, 1]);

describe.each(['native', 'grpc-js'] as const)('%s', (name) => {
  test('200 handshakes that hang end after 10 s, silent or not; a client that has finished stays', async () => {
    using authority = new CertificateAuthority();
    const pair = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
    const onFault = (fault: unknown) => {
      throw fault;
    };
    const clock = new ManualClock();
    const connections = connectionsOf({ clock });
    const listener = await transports[name]({ clock: systemClock, onFault, connections }).listen(
      {
        name,
        address: { host: '127.0.0.1', port: 0 },
        tls: { ...pair, clientAuthorities: null },
        messageBytesMax: 1_000,
        streamsMax: Number.POSITIVE_INFINITY,
      },
      { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
    );
    const port = Number(listener.address.split(':')[1]);
    const client = connectTls({
      ...{ host: '127.0.0.1', port, ca: authority.certificate, ALPNProtocols: ['h2'] },
    });
    client.on('error', () => {});
    client.write(Buffer.concat([clientPreface, settingsFrame([])]));
    await once(client, 'data');
    const hanging: Socket[] = Array.from({ length: 200 }, (_, i) => {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      if (i % 2 === 0) socket.write(beginning);
      return socket.resume();
    });
    const closed = () => hanging.filter((socket) => socket.destroyed).length;
    await until('the connections', () => connections.open.get(name) === 201);
    clock.advance(clientHandshakeMsMax - 1);
    for (const socket of hanging) socket.write(Buffer.alloc(1));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(connections.open.get(name)).toBe(201);
    clock.advance(1);
    expect(connections.open.get(name)).toBe(1);
    await until('the end of all', () => closed() === 200);
    expect(connections.reached).toEqual(new Map([['handshake-timeout', 200]]));
    expect(client.destroyed).toBe(false);
    expect(clock.pendingTimers).toBe(0);
    client.destroy();
    await listener.drain(1_000);
  });

  test('a client that fails its handshake leaves no place taken', async () => {
    using authority = new CertificateAuthority();
    const pair = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
    const connections = connectionsOf();
    const listener = await transports[name]({
      ...{ clock: systemClock, connections },
      onFault: () => {},
    }).listen(
      {
        name,
        address: { host: '127.0.0.1', port: 0 },
        tls: { ...pair, clientAuthorities: authority.certificate },
        messageBytesMax: 1_000,
        streamsMax: Number.POSITIVE_INFINITY,
      },
      { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
    );
    const port = Number(listener.address.split(':')[1]);
    const withoutCertificate = connectTls({ host: '127.0.0.1', port, ca: authority.certificate });
    const withoutTls = connect(port, '127.0.0.1');
    withoutTls.write('GET / HTTP/1.1\r\n\r\n');
    const clients = [withoutCertificate, withoutTls];
    for (const socket of clients) socket.on('error', () => {}).resume();
    await until('the end of both', () => clients.every((socket) => socket.destroyed));
    await until('free places', () => connections.open.size === 0);
    expect(connections.reached.size).toBe(0);
    await listener.drain(0);
  });
});
