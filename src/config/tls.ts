/**
 * Certificates, keys and authorities: files → checked PEM. Everything that TLS would only notice at the first handshake
 * (no PEM, a key that belongs to another certificate) is noticed here, while the operator still looks.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClientTls, ServerTls } from '../grpc/transport.ts';
import type { SettingName, Settings } from './schema.ts';

/** Called with the setting that names the file. */
export type Report = (setting: SettingName, what: string) => void;

/** What clients see. Null: plain text. After a report the result is not to be used. */
export function serverTls(settings: Settings, report: Report): ServerTls | null {
  const pair = readPair('cert-file', 'key-file', settings, report);
  const clientAuthorities = readAuthorities('trusted-ca-file', settings, report);
  if (settings['client-cert-auth'] && clientAuthorities === null) {
    report('client-cert-auth', 'needs --trusted-ca-file, which says whose certificates to accept');
  }
  if (pair === null) {
    if (settings['trusted-ca-file'] !== '' || settings['client-cert-auth']) {
      report('cert-file', 'is missing: clients cannot show certificates without TLS');
    }
    return null;
  }
  return { certificate: pair.certificate, key: pair.key, clientAuthorities };
}

/** What etcd sees, for those endpoints that want TLS. Null when no setting asks for it. */
export function clientTls(settings: Settings, report: Report): ClientTls | null {
  const pair = readPair('cert', 'key', settings, report);
  const authorities = readAuthorities('cacert', settings, report);
  // etcd takes the common name for the user of every request that has no token; with one, whoever connects to us would
  // act as that user. Same guard as in etcd's own proxy (server/etcdmain/grpc_proxy.go).
  if (pair !== null && /^CN=./m.test(pair.parsed.subject ?? '')) {
    report('cert', 'has a common name, which etcd would take for the user of every client');
  }
  const skipVerification = settings['insecure-skip-tls-verify'];
  if (pair === null && authorities === null && !skipVerification) return null;
  return {
    authorities,
    certificate: pair?.certificate ?? null,
    key: pair?.key ?? null,
    serverName: settings['server-name'] || null,
    skipVerification,
  };
}

interface Pair {
  readonly certificate: Buffer;
  readonly parsed: X509Certificate;
  readonly key: Buffer;
}

function readPair(
  certificateSetting: 'cert' | 'cert-file',
  keySetting: 'key' | 'key-file',
  settings: Settings,
  report: Report,
): Pair | null {
  const [certificatePath, keyPath] = [settings[certificateSetting], settings[keySetting]];
  if (certificatePath === '' && keyPath === '') return null;
  if (certificatePath === '' || keyPath === '') {
    const [given, missing] =
      keyPath === '' ? [certificateSetting, keySetting] : [keySetting, certificateSetting];
    report(given, `needs --${missing} as well`);
  }
  const certificate = readFile(certificateSetting, certificatePath, report);
  const key = readFile(keySetting, keyPath, report);
  const parsed = certificate && parse(certificateSetting, certificate, toCertificate, report);
  const parsedKey = key && parse(keySetting, key, toKey, report);
  if (certificate === null || key === null || parsed === null || parsedKey === null) return null;
  if (!parsed.checkPrivateKey(parsedKey)) {
    report(keySetting, `does not belong to --${certificateSetting}`);
  }
  return { certificate, parsed, key };
}

function readAuthorities(
  setting: 'cacert' | 'trusted-ca-file',
  settings: Settings,
  report: Report,
): Buffer | null {
  const bytes = readFile(setting, settings[setting], report);
  return bytes !== null && parse(setting, bytes, toCertificate, report) === null ? null : bytes;
}

/** Null when no file was named, or when it cannot be read: that is reported. */
export function readFile(setting: SettingName, path: string, report: Report): Buffer | null {
  if (path === '') return null;
  try {
    return readFileSync(path);
  } catch (error) {
    report(setting, `cannot be read: ${(error as Error).message}`);
    return null;
  }
}

function parse<T>(
  setting: SettingName,
  pem: Buffer,
  to: { readonly what: string; readonly from: (pem: Buffer) => T },
  report: Report,
): T | null {
  try {
    return to.from(pem);
  } catch (error) {
    report(setting, `holds no ${to.what} in PEM form: ${(error as Error).message}`);
    return null;
  }
}

const toCertificate = { what: 'certificate', from: (pem: Buffer) => new X509Certificate(pem) };
const toKey = { what: 'private key', from: (pem: Buffer): KeyObject => createPrivateKey(pem) };
