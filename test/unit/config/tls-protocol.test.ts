/** Versions and cipher suites of TLS, with etcd's names and etcd's errors. */
import { afterAll, describe, expect, test } from 'vitest';
import { CertificateAuthority } from '../../support/certificates.ts';
import { loadedConfig, problemsOf } from '../../support/loaded-config.ts';

const authority = new CertificateAuthority();
const pair = authority.issue({ name: '/CN=server' });
const files = [`cert-file: ${pair.certificateFile}`, `key-file: ${pair.keyFile}`];
afterAll(() => authority[Symbol.dispose]());

async function protocolOf(...lines: string[]) {
  return (await loadedConfig(...files, ...lines)).listeners[0]?.tls?.protocol;
}

const tls13 = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

describe('versions', () => {
  test.each([
    [[], undefined],
    [['tls-min-version: ""'], undefined],
    [['tls-min-version: TLS1.2', 'tls-max-version: TLS1.3'], undefined],
    [['tls-min-version: TLS1.3'], { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' }],
    [['tls-max-version: TLS1.2'], { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }],
  ])('%j', async (lines, versions) => {
    const expected = versions && { ...versions, ciphers: null };
    expect(await protocolOf(...lines)).toEqual(expected);
  });

  test('must be known, and the minimum not above the maximum', async () => {
    expect(await problemsOf('tls-min-version: TLS1.1')).toEqual([
      'c.yaml:2: "tls-min-version" must be TLS1.2 or TLS1.3, not "TLS1.1"',
    ]);
    expect(await problemsOf('tls-min-version: TLS1.3', 'tls-max-version: TLS1.2')).toEqual([
      'c.yaml:2: "tls-min-version" must not be greater than "tls-max-version"',
    ]);
  });
});

describe('cipher suites', () => {
  test('have OpenSSL’s names; those of TLS 1.3 stay', async () => {
    const suites = 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305';
    expect(await protocolOf(`listen-cipher-suites: ${suites}`)).toEqual({
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.3',
      ciphers: `ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:${tls13}`,
    });
  });

  test('of TLS 1.3 have no effect, as in Go', async () => {
    const suites = 'TLS_AES_256_GCM_SHA384';
    expect((await protocolOf(`listen-cipher-suites: ${suites}`))?.ciphers).toBe(tls13);
  });

  test.each(['TLS_NO_SUCH_SUITE', 'ECDHE-RSA-AES128-GCM-SHA256', 'constructor'])(
    'are not %s',
    async (suite) => {
      expect(await problemsOf(`listen-cipher-suites: ${suite}`)).toEqual([
        `c.yaml:2: "listen-cipher-suites" contains an unexpected TLS cipher suite "${suite}"`,
      ]);
    },
  );

  test('that are not secure are rejected', async () => {
    expect(await problemsOf('listen-cipher-suites: TLS_RSA_WITH_RC4_128_SHA')).toEqual([
      'c.yaml:2: "listen-cipher-suites" contains "TLS_RSA_WITH_RC4_128_SHA", which is not secure',
    ]);
  });

  test('cannot be configured for TLS 1.3 alone, as in etcd', async () => {
    const suites = 'listen-cipher-suites: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256';
    expect(await problemsOf('tls-min-version: TLS1.3', suites)).toEqual([
      'c.yaml:3: "listen-cipher-suites" cannot be configured when only TLS1.3 is enabled',
    ]);
  });
});

describe('the revocation list', () => {
  const ca = `trusted-ca-file: ${authority.certificateFile}`;

  test('is read with the certificates, for listeners of the file too', async () => {
    const crl = authority.revoke(pair.certificate);
    const { listeners } = await loadedConfig(...files, ca, `client-crl-file: ${crl}`);
    expect(listeners[0]?.tls?.revoked?.size).toBe(1);
    const own = await loadedConfig(
      'tenants: [{ name: a, namespace: a/ }]',
      `listeners: [{ address: "127.0.0.1:1", tenant: a, ${[...files, ca].join()}, client-crl-file: ${crl} }]`,
    );
    expect(own.listeners[0]?.tls?.revoked?.size).toBe(1);
  });

  test('must be one, and a listener with one needs client certificates', async () => {
    expect(await problemsOf(...files, ca, `client-crl-file: ${pair.keyFile}`)).toEqual([
      expect.stringMatching(
        /"client-crl-file" must contain a revocation list in DER or PEM format/,
      ),
    ]);
    const crl = authority.revoke();
    const listener = `{ address: "127.0.0.1:1", tenant: a, client-crl-file: ${crl} }`;
    expect(
      await problemsOf('tenants: [{ name: a, namespace: a/ }]', `listeners: [${listener}]`),
    ).toEqual([expect.stringContaining('"client-crl-file" requires "cert-file"')]);
  });
});
