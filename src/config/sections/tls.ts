/**
 * Reads certificates, keys and CA certificates, and checks them. Errors that TLS would report only at the first handshake
 * (text that is not PEM, a key that does not match its certificate) are reported when the configuration is loaded.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { peerCertificate } from '../../grpc/peer-certificate.ts';
import { type RevokedSerials, revokedSerials } from '../../grpc/revocation-list.ts';
import { serverContextOptions } from '../../grpc/tls.ts';
import type { ClientTls, ServerTls, TlsProtocol } from '../../grpc/transport.ts';
import type { FileContents } from '../file-contents.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** File names of one listener, or of all listeners. Empty: not set. */
export type ServerFiles = Pick<
  Settings,
  'cert-file' | 'key-file' | 'trusted-ca-file' | 'client-crl-file'
>;

/** TLS for clients. Returns null for plain text. The result must not be used after a report. `protocol` is null for the defaults. */
export function serverTls(
  files: ServerFiles,
  protocol: TlsProtocol | null,
  contents: FileContents,
  report: ProblemReporter,
): ServerTls | null {
  const pair = readPair(
    ['cert-file', files['cert-file']],
    ['key-file', files['key-file']],
    contents,
    report,
  );
  const authoritiesFile = files['trusted-ca-file'];
  const clientAuthorities = readCaCertificates(
    'trusted-ca-file',
    authoritiesFile,
    contents,
    report,
  );
  const revoked = readRevoked(files['client-crl-file'], contents, report);
  if (pair === null) {
    if (authoritiesFile !== '') {
      report('cert-file', 'is required with "trusted-ca-file": client certificates require TLS');
    }
    return null;
  }
  const tls: ServerTls = {
    ...{ certificate: pair.certificate, key: pair.key, clientAuthorities },
    ...(protocol !== null && { protocol }),
    ...(revoked !== null && { revoked }),
  };
  if (pair.isMatching) tryContext(serverContextOptions(tls), (what) => report('cert-file', what));
  return tls;
}

/** Without client certificates the list has no effect, as in etcd. */
function readRevoked(
  path: string,
  contents: FileContents,
  report: ProblemReporter,
): RevokedSerials | null {
  const bytes = contents.of('client-crl-file', path, report);
  return bytes && parse('client-crl-file', bytes, toRevoked, report);
}

function caOf(authorities: Buffer | null): SecureContextOptions {
  return authorities === null ? {} : { ca: authorities };
}

/** Reports what OpenSSL rejects, for example a key that is too small, so that a reload cannot fail halfway. */
function tryContext(options: SecureContextOptions, report: (what: string) => void): void {
  try {
    createSecureContext(options);
  } catch (error) {
    report(`cannot be used: ${(error as Error).message}`);
  }
}

/** TLS to etcd. Returns null if no setting enables it; an endpoint can still enable it with https://. */
export function clientTls(
  settings: Settings,
  contents: FileContents,
  report: ProblemReporter,
): ClientTls | null {
  const pair = readPair(['cert', settings.cert], ['key', settings.key], contents, report);
  const authorities = readCaCertificates('cacert', settings.cacert, contents, report);
  // etcd takes the common name as the user of every request without a token, so every client of the proxy would act as
  // that user. etcd's own proxy has the same check (server/etcdmain/grpc_proxy.go).
  if (pair !== null && !settings['allow-common-name'] && hasCommonName(pair.parsed)) {
    report(
      'cert',
      'must not have a common name, which etcd takes as the user of every client ' +
        '(set --allow-common-name if this is intended). In the words of etcd: ' +
        'cert has non empty Common Name',
    );
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

interface KeyPair {
  readonly certificate: Buffer;
  readonly parsed: X509Certificate;
  readonly key: Buffer;
  /** False after a report. */
  readonly isMatching: boolean;
}

function hasCommonName(certificate: X509Certificate): boolean {
  return peerCertificate(certificate.raw).commonNames.some((name) => name !== '');
}

/** A setting, or a key of a listener, and its value. */
type NamedFile = readonly [setting: string, path: string];

function readPair(
  [certificateSetting, certificatePath]: NamedFile,
  [keySetting, keyPath]: NamedFile,
  contents: FileContents,
  report: ProblemReporter,
): KeyPair | null {
  if (certificatePath === '' && keyPath === '') return null;
  if (certificatePath === '' || keyPath === '') {
    const [given, missing] =
      keyPath === '' ? [certificateSetting, keySetting] : [keySetting, certificateSetting];
    report(given, `requires "${missing}"`);
  }
  const certificate = contents.of(certificateSetting, certificatePath, report);
  const key = contents.of(keySetting, keyPath, report);
  const parsed = certificate && parse(certificateSetting, certificate, toCertificate, report);
  const parsedKey = key && parse(keySetting, key, toKey, report);
  if (certificate === null || key === null || parsed === null || parsedKey === null) return null;
  const isMatching = parsed.checkPrivateKey(parsedKey);
  if (!isMatching) report(keySetting, `does not match the certificate of "${certificateSetting}"`);
  return { certificate, parsed, key, isMatching };
}

function readCaCertificates(
  setting: string,
  path: string,
  contents: FileContents,
  report: ProblemReporter,
): Buffer | null {
  const bytes = contents.of(setting, path, report);
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
    report(setting, `must contain a ${to.what}: ${(error as Error).message}`);
    return null;
  }
}

const toCertificate = {
  what: 'certificate in PEM format',
  from: (pem: Buffer) => new X509Certificate(pem),
};
const toRevoked = { what: 'revocation list in DER or PEM format', from: revokedSerials };
const toKey = {
  what: 'private key in PEM format',
  from: (pem: Buffer): KeyObject => createPrivateKey(pem),
};
