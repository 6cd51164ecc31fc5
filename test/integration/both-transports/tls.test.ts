/** TLS on both sides of the proxy, with real certificates: which clients are accepted, and what an operator sees. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConnectionOptions, connect } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { type GrpcClient, grpcClient, refusal } from '../../support/client.ts';
import { type Etcd, startSecureEtcd } from '../../support/etcd.ts';
import { startTestProxy, type TestProxy, type TestProxyOptions } from '../../support/proxy.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const key = Buffer.from('k');

let authority: CertificateAuthority;
let foreign: CertificateAuthority;
let server: KeyPair;
let sidecar: KeyPair;
let etcd: Etcd;
/** Where etcd insists on client certificates, `https://host:port`. */
let secureEndpoint: string;

beforeAll(async () => {
  authority = new CertificateAuthority();
  foreign = new CertificateAuthority('another authority');
  server = authority.issue({ name: '/CN=localhost', alternativeNames: 'IP:127.0.0.1' });
  sidecar = authority.issue({ name: '/O=sidecar' });
  ({ etcd, secureUrl: secureEndpoint } = await startSecureEtcd(authority, server));
});

afterAll(async () => {
  await etcd?.[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
  foreign?.[Symbol.dispose]();
});

function startProxyTo(endpoint: string, settings: TestProxyOptions['settings']) {
  return startTestProxy({
    endpoints: [endpoint],
    tenants: [{ name: 'game', namespace: 'game/' }],
    settings: { 'admin-addr': '127.0.0.1:0', hold: '1s', ...settings },
  });
}

async function worksFor(client: GrpcClient): Promise<void> {
  await client.call('etcdserverpb.KV/Put', { key, value: Buffer.from('v') });
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  expect((await watch.next()).created).toBe(true);
  const { kvs } = await client.call('etcdserverpb.KV/Range', { key });
  expect(kvs[0]?.value.toString()).toBe('v');
}

/** What /upstreamz says of the only endpoint. */
async function upstreamz(
  adminAddress: string | null,
): Promise<{ state: string; lastError: string }> {
  const answer = await fetch(`http://${adminAddress}/upstreamz`);
  const { endpoints } = (await answer.json()) as {
    endpoints: { state: string; lastError: string }[];
  };
  return endpoints[0] ?? { state: 'missing', lastError: '' };
}

describe('towards etcd', () => {
  test('with its authority and a client certificate the proxy is let in', async () => {
    await using proxy = await startProxyTo(secureEndpoint, {
      cacert: authority.certificateFile,
      cert: sidecar.certificateFile,
      key: sidecar.keyFile,
    });
    using client = grpcClient(proxy.address('game'));
    await worksFor(client);
    expect(await upstreamz(proxy.adminAddress)).toMatchObject({ state: 'ready', lastError: '' });
  });

  test.each([
    [
      'another authority',
      () => ({ cacert: foreign.certificateFile }),
      /certificate|issuer|signature/,
    ],
    ['no client certificate', () => ({ cert: '', key: '' }), /./],
    ['plain text', () => ({ cacert: '', cert: '', key: '' }), /./],
  ])('with %s calls end as Unavailable, and the reason is shown', async (what, wrong, reason) => {
    const endpoint =
      what === 'plain text' ? secureEndpoint.replace('https://', '') : secureEndpoint;
    await using proxy = await startProxyTo(endpoint, {
      cacert: authority.certificateFile,
      cert: sidecar.certificateFile,
      key: sidecar.keyFile,
      ...wrong(),
    });
    using client = grpcClient(proxy.address('game'));
    expect(await refusal(client.call('etcdserverpb.KV/Put', { key }))).toMatchObject({
      code: Code.UNAVAILABLE,
      details: 'etcd-bulkhead: no connection to etcd, or it was lost',
    });
    await until('a reason', async () => (await upstreamz(proxy.adminAddress)).lastError !== '');
    expect((await upstreamz(proxy.adminAddress)).lastError).toMatch(reason);
    expect((await fetch(`http://${proxy.adminAddress}/livez`)).status).toBe(200);
    expect(await client.call('grpc.health.v1.Health/Check', {})).toEqual({ status: 'SERVING' });
  });
});

describe('towards clients', () => {
  const serverSettings = () => ({
    'cert-file': server.certificateFile,
    'key-file': server.keyFile,
  });
  const mutual = () => ({
    ...serverSettings(),
    'trusted-ca-file': authority.certificateFile,
    'client-cert-auth': true,
  });
  const trusting = (pair: KeyPair | null = null) =>
    credentials.createSsl(authority.certificate, pair?.key ?? null, pair?.certificate ?? null);

  test('any client that trusts the certificate is served', async () => {
    await using proxy = await startProxyTo(etcd.address, serverSettings());
    using client = grpcClient(proxy.address('game'), trusting());
    await worksFor(client);
  });

  test('a client that does not trust the certificate, or does not use TLS, does not affect others', async () => {
    await using proxy = await startProxyTo(etcd.address, serverSettings());
    using good = grpcClient(proxy.address('game'), trusting());
    await worksFor(good);
    using distrustful = grpcClient(
      proxy.address('game'),
      credentials.createSsl(foreign.certificate),
    );
    using plain = grpcClient(proxy.address('game'));
    for (const client of [distrustful, plain]) {
      const put = client.call('etcdserverpb.KV/Put', { key }, { timeoutMs: 2_000 });
      expect(await refusal(put)).toMatchObject({ code: Code.UNAVAILABLE });
    }
    await worksFor(good);
  });

  test('where clients must show certificates, one that the authority signed is let in', async () => {
    await using proxy = await startProxyTo(etcd.address, mutual());
    const pair = authority.issue({ name: '/CN=alice' });
    using client = grpcClient(proxy.address('game'), trusting(pair));
    await worksFor(client);
  });

  test('one without, or with a stranger’s, is refused in the handshake', async () => {
    await using proxy = await startProxyTo(etcd.address, mutual());
    const good = authority.issue({ name: '/CN=alice' });
    using client = grpcClient(proxy.address('game'), trusting(good));
    await worksFor(client);
    const [host = '', port = ''] = proxy.address('game').split(':');
    for (const pair of [null, foreign.issue({ name: '/CN=alice' })]) {
      const socket = connect({
        host,
        port: Number(port),
        ca: authority.certificate,
        ALPNProtocols: ['h2'],
        ...(pair === null ? {} : { cert: pair.certificate, key: pair.key }),
      });
      // With TLS 1.3 the client learns this after its own half of the handshake, as an alert or as the end of the
      // connection.
      socket.on('error', () => {});
      let heardBytes = 0;
      socket.on('data', (bytes: Buffer) => {
        heardBytes += bytes.length;
      });
      await until('the refusal', () => socket.destroyed);
      expect(heardBytes).toBe(0);
    }
    await worksFor(client);
  });

  /** Resolves with the version and the cipher suite of a handshake, or null if it is refused. */
  function handshake(address: string, options: ConnectionOptions, pair?: KeyPair) {
    const [host = '', port = ''] = address.split(':');
    const own = pair === undefined ? {} : { cert: pair.certificate, key: pair.key };
    const ca = authority.certificate;
    const socket = connect({ host, port: Number(port), ca, ...own, ...options });
    return new Promise<readonly string[] | null>((resolve) => {
      socket.on('error', () => resolve(null));
      socket.on('secureConnect', () => {
        resolve([socket.getProtocol() ?? '', socket.getCipher().standardName]);
        socket.destroy();
      });
    });
  }

  test('only the configured versions are served', async () => {
    const [tls12, tls13] = (['TLSv1.2', 'TLSv1.3'] as const).map((version) => ({
      minVersion: version,
      maxVersion: version,
    }));
    for (const [setting, served, refused] of [
      ['tls-min-version', tls13, tls12],
      ['tls-max-version', tls12, tls13],
    ] as const) {
      const version = setting === 'tls-min-version' ? 'TLS1.3' : 'TLS1.2';
      await using proxy = await startProxyTo(etcd.address, {
        ...serverSettings(),
        [setting]: version,
      });
      expect(await handshake(proxy.address('game'), served ?? {})).not.toBeNull();
      expect(await handshake(proxy.address('game'), refused ?? {})).toBeNull();
    }
  });

  test('only the configured cipher suites of TLS 1.2 are served, and all of TLS 1.3', async () => {
    const suite = 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256';
    await using proxy = await startProxyTo(etcd.address, {
      ...serverSettings(),
      'listen-cipher-suites': [suite],
    });
    const address = proxy.address('game');
    const maxVersion = 'TLSv1.2';
    expect(await handshake(address, { maxVersion })).toEqual([maxVersion, suite]);
    const other = { maxVersion, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' } as const;
    expect(await handshake(address, other)).toBeNull();
    for (const ciphers of ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384']) {
      expect(await handshake(address, { ciphers })).toEqual(['TLSv1.3', ciphers]);
    }
  });

  test('a client with a revoked certificate, or below a revoked authority, is disconnected', async () => {
    const good = authority.issue({ name: '/CN=alice' });
    const bad = authority.issue({ name: '/CN=mallory' });
    using between = new CertificateAuthority('between', authority);
    const below = between.issue({ name: '/CN=bob' });
    const chain = {
      ...below,
      certificate: Buffer.concat([below.certificate, between.certificate]),
    };
    const crl = authority.revoke(bad.certificate);
    using directory = new TemporaryDirectory('authorities');
    const authorities = join(directory.path, 'ca.crt');
    writeFileSync(authorities, Buffer.concat([authority.certificate, between.certificate]));
    const settings = { ...mutual(), 'client-crl-file': crl, 'trusted-ca-file': authorities };
    await using proxy = await startProxyTo(etcd.address, settings);
    for (const pair of [good, chain]) {
      using client = grpcClient(proxy.address('game'), trusting(pair));
      await worksFor(client);
    }
    await expectDisconnected(proxy, bad);
    await using stricter = await startProxyTo(etcd.address, {
      ...settings,
      'client-crl-file': authority.revoke(bad.certificate, between.certificate),
    });
    using client = grpcClient(stricter.address('game'), trusting(good));
    await worksFor(client);
    await expectDisconnected(stricter, chain);
    // What cannot be checked is not accepted: the authority between is not in this file.
    await using unaware = await startProxyTo(etcd.address, { ...mutual(), 'client-crl-file': crl });
    await expectDisconnected(unaware, chain);
    const metrics = await (await fetch(`http://${stricter.adminAddress}/metrics`)).text();
    expect(metrics).toMatch(/client_connection_limits_total\{reason="revoked"\} [1-9]/);
  });

  async function expectDisconnected(proxy: TestProxy, pair: KeyPair): Promise<void> {
    using client = grpcClient(proxy.address('game'), trusting(pair));
    const put = client.call('etcdserverpb.KV/Put', { key }, { timeoutMs: 2_000 });
    expect(await refusal(put)).toMatchObject({ code: Code.UNAVAILABLE });
  }
});
