/**
 * Certificates, keys and authorities: files → checked PEM. Everything that TLS would only notice at the first handshake
 * (no PEM, a key that belongs to another certificate) is noticed here, while the operator still looks.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { peerCertificate } from '../../grpc/peer-certificate.ts';
import type { ClientTls, ServerTls } from '../../grpc/transport.ts';
import { type ProblemReporter, readFile } from '../read-file.ts';
import type { Settings } from '../schema.ts';

/** The files of a listener: of all listeners in the settings, or of one that has its own. Empty where none is named. */
export type ServerFiles = Pick<Settings, 'cert-file' | 'key-file' | 'trusted-ca-file'>;

/** What clients see. Null: plain text. After a report the result is not to be used. */
export function serverTls(files: ServerFiles, report: ProblemReporter): ServerTls | null {
  const pair = readPair(['cert-file', files['cert-file']], ['key-file', files['key-file']], report);
  const authoritiesFile = files['trusted-ca-file'];
  const clientAuthorities = readAuthorities('trusted-ca-file', authoritiesFile, report);
  if (pair === null) {
    if (authoritiesFile !== '') {
      report('cert-file', 'is missing: clients cannot show certificates without TLS');
    }
    return null;
  }
  const tls = { certificate: pair.certificate, key: pair.key, clientAuthorities };
  const context = { cert: tls.certificate, key: tls.key, ...caOf(clientAuthorities) };
  if (pair.isMatching) tryContext(context, (what) => report('cert-file', what));
  return tls;
}

function caOf(authorities: Buffer | null): SecureContextOptions {
  return authorities === null ? {} : { ca: authorities };
}

/** What OpenSSL itself has against them, too small a key for example: a reload must not find out only when it is half done. */
function tryContext(options: SecureContextOptions, report: (what: string) => void): void {
  try {
    createSecureContext(options);
  } catch (error) {
    report(`cannot be used: ${(error as Error).message}`);
  }
}

/** What etcd sees, for those endpoints that want TLS. Null when no setting asks for it. */
export function clientTls(settings: Settings, report: ProblemReporter): ClientTls | null {
  const pair = readPair(['cert', settings.cert], ['key', settings.key], report);
  const authorities = readAuthorities('cacert', settings.cacert, report);
  // etcd takes the common name for the user of every request that has no token; with one, whoever connects to us would
  // act as that user. Same guard as in etcd's own proxy (server/etcdmain/grpc_proxy.go).
  if (pair !== null && !settings['allow-common-name'] && hasCommonName(pair.parsed)) {
    report('cert', 'has a common name, which etcd would take for the user of every client');
  }
  const skipVerification = settings['insecure-skip-tls-verify'];
  if (pair === null && authorities === null && !skipVerification) return null;
  if (pair?.isMatching !== false) {
    const own = pair === null ? {} : { cert: pair.certificate, key: pair.key };
    tryContext({ ...own, ...caOf(authorities) }, (what) => report(pair ? 'cert' : 'cacert', what));
  }
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
  /** False was reported. */
  readonly isMatching: boolean;
}

function hasCommonName(certificate: X509Certificate): boolean {
  return peerCertificate(certificate.raw).commonName !== '';
}

/** The setting or key, and the path that it holds. */
type Named = readonly [setting: string, path: string];

function readPair(
  [certificateSetting, certificatePath]: Named,
  [keySetting, keyPath]: Named,
  report: ProblemReporter,
): Pair | null {
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
  const isMatching = parsed.checkPrivateKey(parsedKey);
  if (!isMatching) report(keySetting, `does not belong to --${certificateSetting}`);
  return { certificate, parsed, key, isMatching };
}

function readAuthorities(setting: string, path: string, report: ProblemReporter): Buffer | null {
  const bytes = readFile(setting, path, report);
  return bytes !== null && parse(setting, bytes, toCertificate, report) === null ? null : bytes;
}

function parse<T>(
  setting: string,
  pem: Buffer,
  to: { readonly what: string; readonly from: (pem: Buffer) => T },
  report: ProblemReporter,
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
