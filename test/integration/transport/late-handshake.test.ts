/** A TLS handshake that is in progress when its listener begins to drain, on both transports. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { endedCall } from '../../../src/grpc/call.ts';
import { GrpcJsServerTransport } from '../../../src/grpc/grpc-js/server.ts';
import { NativeServerTransport } from '../../../src/grpc/native/server.ts';
import type { ServerTransportOptions } from '../../../src/grpc/transport.ts';
import { clientPreface } from '../../../src/http2/frame.ts';
import { settingsFrame } from '../../../src/http2/settings.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { connectionsOf } from '../../support/client-connections.ts';
import { memoryOf } from '../../support/message-memory.ts';

const transports = {
  native: (options: ServerTransportOptions) =>
    new NativeServerTransport({ ...options, memory: memoryOf(), http1: null }),
  'grpc-js': (options: ServerTransportOptions) => new GrpcJsServerTransport(options),
} as const;

/** Carries one connection to `port`, and holds what the client sends after its ClientHello until `release`. */
async function holdingRelay(port: number) {
  let release = () => {};
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    far.pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
    near.once('data', (clientHello: Buffer) => {
      far.write(clientHello);
      near.pause();
      release = () => near.pipe(far);
    });
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, release: () => release() };
}

describe.each(['native', 'grpc-js'] as const)('%s', (name) => {
  test('a client that finishes its handshake after the drain began is disconnected unserved', async () => {
    using authority = new CertificateAuthority();
    const pair = authority.issue({ name: '/CN=etcd', alternativeNames: 'IP:127.0.0.1' });
    const onFault = (fault: unknown) => {
      throw fault;
    };
    const listener = await transports[name]({
      ...{ clock: systemClock, onFault, connections: connectionsOf() },
    }).listen(
      {
        name,
        address: { host: '127.0.0.1', port: 0 },
        tls: { ...pair, clientAuthorities: null },
        messageBytesMax: 1_000,
        streamsMax: Number.POSITIVE_INFINITY,
      },
      { methods: new Map(), unary: () => endedCall, stream: () => endedCall },
    );
    const relay = await holdingRelay(Number(listener.address.split(':')[1]));
    // With TLS 1.3 the client is connected when it has sent its last message, and the server when it has received that.
    const client = connectTls({
      ...{ host: '127.0.0.1', port: relay.port, ca: authority.certificate },
      ...{ ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' },
    });
    client.on('error', () => {});
    let received = 0;
    client.on('data', (bytes: Buffer) => {
      received += bytes.length;
    });
    await once(client, 'secureConnect');
    client.write(Buffer.concat([clientPreface, settingsFrame([])]));
    const before = performance.now();
    const drained = listener.drain(10_000);
    const closed = once(client, 'close');
    relay.release();
    await closed;
    expect(received).toBe(0);
    expect(await drained).toBe(0);
    expect(performance.now() - before).toBeLessThan(5_000);
  });
});
