/** What an acceptor does with TCP and TLS connections, over loopback. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Acceptor } from '../../../src/grpc/acceptor.ts';
import type { ServerTls } from '../../../src/grpc/transport.ts';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { connectionsOf } from '../../support/client-connections.ts';
import { until } from '../../support/until.ts';

let authority: CertificateAuthority;
let server: KeyPair;
const accepted: Socket[] = [];
const clients: Socket[] = [];
const acceptors: Acceptor[] = [];

beforeAll(() => {
  authority = new CertificateAuthority();
  server = authority.issue({ name: '/CN=server', alternativeNames: 'IP:127.0.0.1' });
});

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const acceptor of acceptors.splice(0)) {
    acceptor.destroyConnections();
    acceptor.stop();
  }
  accepted.length = 0;
});

afterAll(() => authority[Symbol.dispose]());

/** Returns the acceptor and its port. */
async function listening(tls: ServerTls | null): Promise<[Acceptor, number]> {
  const address = { host: '127.0.0.1', port: 0 };
  const options = { name: 'x', address, tls, messageBytesMax: 1_000, streamsMax: 1 };
  const acceptor = await Acceptor.bind(options, connectionsOf(), (socket) => accepted.push(socket));
  acceptors.push(acceptor);
  return [acceptor, Number(acceptor.address.split(':').at(-1))];
}

function plainClient(port: number): Socket {
  const client = connect(port, '127.0.0.1').on('error', () => {});
  clients.push(client);
  return client;
}

function tlsClient(port: number) {
  const ca = authority.certificate;
  const client = connectTls({ host: '127.0.0.1', port, ca }).on('error', () => {});
  clients.push(client);
  return client;
}

/** What Linux waits for on an idle connection between two ports: 2 is the next probe of TCP keep-alive. */
function timerOf(port: number, peerPort: number): number {
  const hex = (each: number) => `:${each.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const line of readFileSync('/proc/self/net/tcp', 'latin1').split('\n')) {
    const [, local, remote, , , timer = ''] = line.trim().split(/\s+/);
    if (local?.endsWith(hex(port)) && remote?.endsWith(hex(peerPort)))
      return Number.parseInt(timer, 16);
  }
  return -1;
}

describe.skipIf(process.platform !== 'linux')('a client that vanishes is noticed', () => {
  test.each(['TCP', 'TLS'])('by keep-alive probes of %s', async (protocol) => {
    const isTls = protocol === 'TLS';
    const [, port] = await listening(isTls ? { ...server, clientAuthorities: null } : null);
    const client = isTls ? tlsClient(port) : plainClient(port);
    await until('the connection', () => accepted.length === 1);
    const keepAlive = 2;
    await until('an idle connection', () => timerOf(port, client.localPort ?? 0) !== 1);
    expect(timerOf(port, client.localPort ?? 0)).toBe(keepAlive);
  });
});

describe('replaced TLS settings', () => {
  const presented = (port: number) =>
    new Promise<string>((resolve, reject) => {
      const client = tlsClient(port);
      client.on('secureConnect', () => resolve(client.getPeerX509Certificate()?.subject ?? ''));
      client.on('close', () => reject(new Error('no handshake')));
    });

  test('apply to later handshakes', async () => {
    const [acceptor, port] = await listening({ ...server, clientAuthorities: null });
    expect(await presented(port)).toBe('CN=server');
    const next = authority.issue({ name: '/CN=next', alternativeNames: 'IP:127.0.0.1' });
    acceptor.replaceTls({ ...next, clientAuthorities: null });
    expect(await presented(port)).toBe('CN=next');
  });

  test('that are not valid change nothing', async () => {
    const [acceptor, port] = await listening({ ...server, clientAuthorities: null });
    const next = authority.issue({ name: '/CN=next', alternativeNames: 'IP:127.0.0.1' });
    // OpenSSL reads the authorities up to the first one that is not valid. The check of revoked certificates needs all.
    const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
    const clientAuthorities = Buffer.concat([authority.certificate, Buffer.from(broken)]);
    const invalid: ServerTls[] = [
      { ...next, clientAuthorities, revoked: new Set() },
      { ...next, key: server.key, clientAuthorities: null },
    ];
    for (const tls of invalid) {
      expect(() => acceptor.replaceTls(tls)).toThrow();
      expect(await presented(port)).toBe('CN=server');
    }
  });
});
