/**
 * Versions and cipher suites of TLS for clients, with the names and the rules of etcd (client/pkg/tlsutil). As in Go, the cipher
 * suites of TLS 1.3 cannot be configured: their names are accepted and have no effect.
 */
import { getCiphers } from 'node:tls';
import type { TlsProtocol, TlsVersion } from '../../grpc/transport.ts';
import type { ProblemReporter } from '../problem.ts';
import type { Settings } from '../schema.ts';

/** By etcd's names. An empty maximum is the newest version. */
const versions = { 'TLS1.2': 'TLSv1.2', 'TLS1.3': 'TLSv1.3' } as const satisfies Record<
  string,
  TlsVersion
>;

const tls13Suites = [
  ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
];

/** OpenSSL's names of Go's cipher suites. The last two are older names that etcd accepts too. */
const opensslNames: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_RSA_WITH_RC4_128_SHA: 'RC4-SHA',
  TLS_RSA_WITH_3DES_EDE_CBC_SHA: 'DES-CBC3-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_RC4_128_SHA: 'ECDHE-ECDSA-RC4-SHA',
  TLS_ECDHE_RSA_WITH_RC4_128_SHA: 'ECDHE-RSA-RC4-SHA',
  TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA: 'ECDHE-RSA-DES-CBC3-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
};

type ProtocolSettings = Pick<
  Settings,
  'tls-min-version' | 'tls-max-version' | 'listen-cipher-suites'
>;

/** Returns null for the defaults. The result must not be used after a report. */
export function tlsProtocol(
  settings: ProtocolSettings,
  report: ProblemReporter,
): TlsProtocol | null {
  const minVersion = versionOf(settings['tls-min-version'], 'TLSv1.2');
  const maxVersion = versionOf(settings['tls-max-version'], 'TLSv1.3');
  const suites = settings['listen-cipher-suites'];
  if (minVersion > maxVersion) {
    report('tls-min-version', 'must not be greater than "tls-max-version"');
  }
  if (minVersion === 'TLSv1.3' && suites.length > 0) {
    report('listen-cipher-suites', 'cannot be configured when only TLS1.3 is enabled');
  }
  const ciphers = suites.length === 0 ? null : cipherList(suites, report);
  const isDefault = minVersion === 'TLSv1.2' && maxVersion === 'TLSv1.3' && ciphers === null;
  return isDefault ? null : { minVersion, maxVersion, ciphers };
}

function versionOf(name: string, otherwise: TlsVersion): TlsVersion {
  return versions[name as keyof typeof versions] ?? otherwise;
}

function cipherList(suites: readonly string[], report: ProblemReporter): string {
  const available = new Set(getCiphers());
  const found = suites.flatMap((suite) => {
    if (tls13Suites.includes(suite)) return [];
    const name = Object.hasOwn(opensslNames, suite) ? opensslNames[suite] : undefined;
    if (name === undefined) {
      report('listen-cipher-suites', `contains an unexpected TLS cipher suite "${suite}"`);
      return [];
    }
    if (!available.has(name.toLowerCase())) {
      report('listen-cipher-suites', `contains "${suite}", which is not secure`);
    }
    return [name];
  });
  // Without those of TLS 1.3, Node.js would not offer that version.
  return [...found, ...tls13Suites].join(':');
}
