import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import type { SettingName } from '../../../src/config/schema.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const authority = new CertificateAuthority();
afterAll(() => authority[Symbol.dispose]());

const nameless = authority.issue({ name: '/O=games', alternativeNames: 'DNS:proxy' });
const named = authority.issue({ name: '/O=games/CN=root' });

function load(flags: Partial<Record<SettingName, string>>) {
  const given = Object.entries({ endpoints: 'etcd:1', ...flags }).map(
    ([name, text]) => [name as SettingName, { texts: [text], where: `--${name}` }] as const,
  );
  return loadConfig({ flags: new Map(given), environment: {}, checkTenants: () => [] });
}

const problems = async (flags: Partial<Record<SettingName, string>>) =>
  (await load(flags)).problems.map(formatProblem);

describe('TLS to etcd', () => {
  test('is enabled by any of its settings for endpoints without a scheme', async () => {
    const { config } = await load({ cacert: authority.certificateFile });
    expect(config?.endpoints[0]?.tls).toEqual({
      authorities: authority.certificate,
      certificate: null,
      key: null,
      serverName: null,
      skipVerification: false,
    });
  });

  test('uses the CA certificates of the system with https:// alone', async () => {
    const { config } = await load({ endpoints: 'https://etcd:1', 'server-name': 'etcd.example' });
    expect(config?.endpoints[0]?.tls).toMatchObject({
      authorities: null,
      serverName: 'etcd.example',
    });
  });

  test('presents a client certificate and its key', async () => {
    const { config } = await load({ cert: nameless.certificateFile, key: nameless.keyFile });
    expect(config?.endpoints[0]?.tls).toMatchObject({
      certificate: nameless.certificate,
      key: nameless.key,
    });
  });

  test('rejects a client certificate with a common name, which would be the user of every client', async () => {
    expect(await problems({ cert: named.certificateFile, key: named.keyFile })).toEqual([
      '--cert: must not have a common name, which etcd takes as the user of every client (set --allow-common-name if this is intended). In the words of etcd: cert has non empty Common Name',
    ]);
  });

  test('rejects a key that does not match the certificate', async () => {
    expect(await problems({ cert: nameless.certificateFile, key: named.keyFile })).toEqual([
      '--key: does not match the certificate of "cert"',
    ]);
  });

  test("is not used for an http:// endpoint, as in etcd's client", async () => {
    const endpoints = 'http://etcd:1,https://etcd:2,etcd:3,unix:///run/etcd';
    const flags = { endpoints, cacert: authority.certificateFile };
    const { config } = await load(flags);
    expect(config?.endpoints.map(({ tls }) => tls !== null)).toEqual([false, true, true, true]);
  });

  test('is required for a server name', async () => {
    expect(await problems({ 'server-name': 'etcd' })).toEqual([
      '--server-name: has no effect: no setting enables TLS to etcd',
    ]);
  });
});

describe('TLS for clients', () => {
  const pair = { 'cert-file': named.certificateFile, 'key-file': named.keyFile };

  test('is enabled by a certificate and its key, without client certificates', async () => {
    expect((await load(pair)).config?.listeners[0]?.tls).toEqual({
      certificate: named.certificate,
      key: named.key,
      clientAuthorities: null,
    });
  });

  test('requires client certificates if CA certificates are configured, as in etcd', async () => {
    const { config } = await load({ ...pair, 'trusted-ca-file': authority.certificateFile });
    expect(config?.listeners[0]?.tls?.clientAuthorities).toEqual(authority.certificate);
  });

  test('cannot require client certificates without CA certificates', async () => {
    expect(await problems({ ...pair, 'client-cert-auth': 'true' })).toEqual([
      '--client-cert-auth: requires --trusted-ca-file to verify client certificates with',
    ]);
  });

  test('rejects a file that is not a certificate', async () => {
    using directory = new TemporaryDirectory('tls');
    const broken = join(directory.path, 'broken.crt');
    writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(await problems({ ...pair, 'cert-file': broken })).toEqual([
      expect.stringMatching(/^--cert-file: must contain a certificate in PEM format: /),
    ]);
  });
});
