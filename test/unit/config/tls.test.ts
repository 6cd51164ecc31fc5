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

const problems = (flags: Partial<Record<SettingName, string>>) =>
  load(flags).problems.map(formatProblem);

describe('TLS towards etcd', () => {
  test('any of its settings turns it on for endpoints without a scheme', () => {
    const { config } = load({ cacert: authority.certificateFile });
    expect(config?.endpoints[0]?.tls).toEqual({
      authorities: authority.certificate,
      certificate: null,
      key: null,
      serverName: null,
      skipVerification: false,
    });
  });

  test('https:// alone trusts what the system trusts', () => {
    const { config } = load({ endpoints: 'https://etcd:1', 'server-name': 'etcd.example' });
    expect(config?.endpoints[0]?.tls).toMatchObject({
      authorities: null,
      serverName: 'etcd.example',
    });
  });

  test('a client certificate goes with its key', () => {
    const { config } = load({ cert: nameless.certificateFile, key: nameless.keyFile });
    expect(config?.endpoints[0]?.tls).toMatchObject({
      certificate: nameless.certificate,
      key: nameless.key,
    });
  });

  test('a client certificate with a common name would make every client that user', () => {
    expect(problems({ cert: named.certificateFile, key: named.keyFile })).toEqual([
      '--cert: has a common name, which etcd would take for the user of every client',
    ]);
  });

  test('a key of another certificate is noticed', () => {
    expect(problems({ cert: nameless.certificateFile, key: named.keyFile })).toEqual([
      '--key: does not belong to --cert',
    ]);
  });

  test('plain text where the rest says TLS is a contradiction', () => {
    const flags = { endpoints: 'http://etcd:1', cacert: authority.certificateFile };
    expect(problems(flags)).toEqual([
      '--endpoints: http://etcd:1 asks for plain text, but the other settings ask for TLS',
    ]);
  });

  test('a name to verify without TLS is a contradiction', () => {
    expect(problems({ 'server-name': 'etcd' })).toEqual([
      '--server-name: has no effect: nothing turns on TLS towards etcd',
    ]);
  });
});

describe('TLS towards clients', () => {
  const pair = { 'cert-file': named.certificateFile, 'key-file': named.keyFile };

  test('a pair turns it on, and clients need no certificate', () => {
    expect(load(pair).config?.listeners[0]?.tls).toEqual({
      certificate: named.certificate,
      key: named.key,
      clientAuthorities: null,
    });
  });

  test('authorities make clients show a certificate, as in etcd', () => {
    const { config } = load({ ...pair, 'trusted-ca-file': authority.certificateFile });
    expect(config?.listeners[0]?.tls?.clientAuthorities).toEqual(authority.certificate);
  });

  test('to insist on certificates takes authorities', () => {
    expect(problems({ ...pair, 'client-cert-auth': 'true' })).toEqual([
      '--client-cert-auth: needs --trusted-ca-file, which says whose certificates to accept',
    ]);
  });

  test('a file that is no certificate is said to be none', () => {
    using directory = new TemporaryDirectory('tls');
    const broken = join(directory.path, 'broken.crt');
    writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(problems({ ...pair, 'cert-file': broken })).toEqual([
      expect.stringMatching(/^--cert-file: holds no certificate in PEM form: /),
    ]);
  });
});
