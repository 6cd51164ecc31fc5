/** A revocation list is applied by a reload: to new connections, and to clients that resume an earlier TLS session. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { expect, test } from 'vitest';
import { createLogger } from '../../../src/observe/logger.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { loaded, loadedConfig } from '../../support/loaded-config.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

interface Handshake {
  /** Whether the proxy has sent its HTTP/2 settings, so that it serves the connection. */
  readonly isServed: boolean;
  readonly isResumed: boolean;
  readonly session: Buffer | undefined;
}

function handshake(port: number, options: ConnectionOptions): Promise<Handshake> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ALPNProtocols: ['h2'], ...options });
    let session: Buffer | undefined;
    let isResumed = false;
    const end = (isServed: boolean): void => {
      socket.destroy();
      resolve({ isServed, isResumed, session });
    };
    socket.on('session', (bytes: Buffer) => {
      session = bytes;
    });
    socket.on('secureConnect', () => {
      isResumed = socket.isSessionReused();
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
    });
    socket.on('data', () => end(true));
    socket.on('close', () => end(false));
    socket.on('error', () => end(false));
  });
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', async (version) => {
  using authority = new CertificateAuthority();
  using directory = new TemporaryDirectory('revocation');
  const server = authority.issue({ name: '/CN=server', alternativeNames: 'IP:127.0.0.1' });
  const [good, bad] = ['good', 'bad'].map((name) => authority.issue({ name: `/CN=${name}` }));
  if (good === undefined || bad === undefined) throw new Error('two certificates were issued');
  const crl = join(directory.path, 'revoked.crl');
  copyFileSync(authority.revoke(), crl);
  const lines = [
    ...['listen-addr: 127.0.0.1:0', 'admin-addr: ""', 'min-drain: 0s', 'max-drain: 100ms'],
    ...['drain-window: 0s', `cert-file: ${server.certificateFile}`, `key-file: ${server.keyFile}`],
    ...[`trusted-ca-file: ${authority.certificateFile}`, `client-crl-file: ${crl}`],
  ];
  const proxy = await startProxy(await loadedConfig(...lines), { logger: createLogger('silent') });
  const port = Number(proxy.addresses[0]?.split(':').at(-1));
  const as = (pair: typeof good, session?: Buffer) =>
    handshake(port, {
      ...{ ca: authority.certificate, cert: pair.certificate, key: pair.key },
      ...{ minVersion: version, maxVersion: version, session },
    });
  try {
    const first = await as(bad);
    expect(first.isServed).toBe(true);
    expect(first.session).toBeDefined();
    expect((await as(bad, first.session)).isResumed).toBe(true);

    copyFileSync(authority.revoke(bad.certificate), crl);
    await proxy.reload(await loaded(...lines));
    expect((await as(bad)).isServed).toBe(false);
    expect((await as(bad, first.session)).isServed).toBe(false);
    expect((await as(good)).isServed).toBe(true);

    // A file that is not a list leaves the previous one in use.
    copyFileSync(server.keyFile, crl);
    await proxy.reload(await loaded(...lines));
    expect((await as(bad)).isServed).toBe(false);
    expect((await as(good)).isServed).toBe(true);
  } finally {
    await proxy.drain();
  }
});
