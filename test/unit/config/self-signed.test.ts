/** The certificate of --auto-tls: its content, its files, and when it is made. */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { selfSigned } from '../../../src/config/self-signed.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

test('is stored where etcd stores it, and reused', async () => {
  using directory = new TemporaryDirectory('auto-tls');
  const request = { directory: directory.path, hosts: ['10.0.0.7', 'proxy.example'], years: 2 };
  const made = await selfSigned(request);
  const folder = join(directory.path, 'fixtures', 'proxy');
  expect(made).toEqual({ certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') });
  expect(statSync(made.keyFile).mode & 0o777).toBe(0o600);
  const before = readFileSync(made.certFile);
  expect(await selfSigned({ ...request, hosts: ['other'] })).toEqual(made);
  expect(readFileSync(made.certFile)).toEqual(before);

  const certificate = new X509Certificate(before);
  expect(certificate.subject).toBe('O=etcd');
  for (const host of ['10.0.0.7', '127.0.0.1', '::1']) expect(certificate.checkIP(host)).toBe(host);
  for (const name of ['proxy.example', 'localhost']) expect(certificate.checkHost(name)).toBe(name);
  const days =
    (certificate.validToDate.getTime() - certificate.validFromDate.getTime()) / 86_400_000;
  expect(days).toBe(2 * 365);
  // Clients can use it as their CA certificate.
  expect([certificate.ca, certificate.verify(certificate.publicKey)]).toEqual([true, true]);
});

test('is made again after it has expired, or if a file is broken or missing', async () => {
  using directory = new TemporaryDirectory('auto-tls');
  const request = { directory: directory.path, hosts: [], years: 1 };
  const { certFile } = await selfSigned({ ...request, years: -1 });
  const replaced = async () => {
    const before = readFileSync(certFile);
    await selfSigned(request);
    return !readFileSync(certFile).equals(before);
  };
  expect(await replaced()).toBe(true);
  expect(await replaced()).toBe(false);
  writeFileSync(certFile, 'broken');
  expect(await replaced()).toBe(true);
});

function load(flags: Record<string, string>, makes = true) {
  return loadConfig({
    flags: new Map(),
    environment: {},
    file: { name: 'c.yaml', text: JSON.stringify({ endpoints: ['etcd:1'], ...flags }) },
    checkTenants: () => [],
    ...(makes && { selfSigned }),
  });
}

test('is used by all listeners, unless there is another certificate', async () => {
  using directory = new TemporaryDirectory('auto-tls');
  const { config } = await load({ 'auto-tls': 'true', 'data-dir': directory.path });
  expect(config?.listeners.map(({ tls }) => tls !== null)).toEqual([true, true]);
  const other = { 'auto-tls': 'true', 'cert-file': 'x', 'key-file': 'x', 'data-dir': '/nowhere' };
  expect((await load(other)).problems.map(({ where }) => where)).not.toContain('auto-tls');
});

test('is not made by a check of the configuration', async () => {
  using directory = new TemporaryDirectory('auto-tls');
  const { problems } = await load({ 'auto-tls': 'true', 'data-dir': directory.path }, false);
  expect(problems).toEqual([]);
  expect(() => statSync(join(directory.path, 'fixtures'))).toThrow('ENOENT');
});

test('problems are reported: a validity of 0, a directory that cannot be written', async () => {
  using directory = new TemporaryDirectory('auto-tls');
  const none = await load({ 'auto-tls': 'true', 'self-signed-cert-validity': '0' });
  expect(none.problems).toMatchObject([{ what: expect.stringContaining('greater than 0') }]);
  const file = join(directory.path, 'file');
  mkdirSync(directory.path, { recursive: true });
  writeFileSync(file, '');
  const blocked = await load({ 'auto-tls': 'true', 'data-dir': file });
  expect(blocked.problems).toMatchObject([
    { what: expect.stringContaining('cannot make a certificate: ENOTDIR') },
  ]);
});
