/** TLS: identities of clients, and verification in both directions. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';
import { dialOptions, Handler, Loop, listenOptions, portOf, ready } from './loop.ts';
import type { PairKind } from './pairs.ts';

export function tlsSuite(kind: PairKind): void {
  let authority: CertificateAuthority;
  let server: KeyPair;
  beforeAll(() => {
    authority = new CertificateAuthority();
    const alternativeNames = 'IP:127.0.0.1,DNS:etcd.example';
    server = authority.issue({ name: '/CN=etcd', alternativeNames });
  });
  afterAll(() => authority[Symbol.dispose]());

  const serverTls = (requiresCertificate: boolean) => ({
    certificate: server.certificate,
    key: server.key,
    clientAuthorities: requiresCertificate ? authority.certificate : null,
  });
  const clientTls = (pair: KeyPair | null = null) => ({
    authorities: authority.certificate,
    certificate: pair?.certificate ?? null,
    key: pair?.key ?? null,
    serverName: null,
    skipVerification: false,
  });

  test('a call over TLS without a client certificate has no identity', async () => {
    await using loop = await Loop.open(kind, { tls: serverTls(false) }, { tls: clientTls() });
    loop.unary();
    expect((await loop.handler.call()).incoming.peer.certificate).toBeNull();
  });

  test('the names in a client certificate arrive exactly, also one that looks like several', async () => {
    const crafted = 'URI:spiffe://games/a\\, URI:spiffe://games/b';
    const client = authority.issue({
      name: '/O=games/CN=first/CN=alice, CN=bob',
      alternativeNames: `DNS:game.example,DNS:*.wild.example,${crafted.replace('\\,', '%2C')},URI:spiffe://games/alice`,
    });
    const dial = { tls: clientTls(client) };
    await using loop = await Loop.open(kind, { tls: serverTls(true) }, dial);
    loop.unary();
    expect((await loop.handler.call()).incoming.peer.certificate).toEqual({
      commonNames: ['first', 'alice, CN=bob'],
      uris: ['spiffe://games/a%2C URI:spiffe://games/b', 'spiffe://games/alice'],
      dnsNames: ['game.example', '*.wild.example'],
    });
  });

  test('a client needs a certificate that the authority has signed, if the listener requires one', async () => {
    const pair = kind.make();
    using other = new CertificateAuthority('another authority');
    const handler = new Handler();
    const listener = await pair.server.listen({ ...listenOptions, tls: serverTls(true) }, handler);
    const address = { host: '127.0.0.1', port: portOf(listener) };
    for (const stranger of [null, other.issue({ name: '/CN=alice' })]) {
      const channel = pair.client.dial({ ...dialOptions, address, tls: clientTls(stranger) });
      await until('failed handshake', () => channel.state === 'failed');
      channel.close();
    }
    expect(handler.calls).toHaveLength(0);
    await listener.drain(0);
  });

  test('a server is verified: its authority, its name, an override of the name, or nothing', async () => {
    using other = new CertificateAuthority('another authority');
    await using loop = await Loop.open(kind, { tls: serverTls(false) }, { tls: clientTls() });
    const address = { host: '127.0.0.1', port: portOf(loop.listener) };
    const dial = (tls: object) =>
      loop.pair.client.dial({ ...dialOptions, address, tls: { ...clientTls(), ...tls } });
    const unknown = dial({ authorities: other.certificate });
    const misnamed = dial({ serverName: 'other.example' });
    await until('failures', () => unknown.state === 'failed' && misnamed.state === 'failed');
    expect(unknown.failure).toMatch(/certificate|issuer/i);
    expect(misnamed.failure).toMatch(/other\.example/);
    const named = await ready(dial({ serverName: 'etcd.example' }));
    const unverified = await ready(dial({ serverName: 'other.example', skipVerification: true }));
    for (const channel of [unknown, misnamed, named, unverified]) channel.close();
  });

  test('a drain ends connections over TLS as well', async () => {
    await using loop = await Loop.open(kind, { tls: serverTls(false) }, { tls: clientTls() });
    loop.stream();
    await loop.handler.call();
    expect(await loop.listener.drain(50)).toBe(1);
    await until('lost connection', () => loop.channel.state !== 'ready');
  });
}
