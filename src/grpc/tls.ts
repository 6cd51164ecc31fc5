/** The TLS settings of both transports, from the PEM texts of the configuration to the options of node:tls. */
import { isIP } from 'node:net';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import type { ClientTls, ServerTls, SocketAddress, TlsProtocol } from './transport.ts';

const minVersion = 'TLSv1.2';

export function serverContextOptions(tls: ServerTls): SecureContextOptions {
  const { certificate, key, clientAuthorities, protocol } = tls;
  const ca = clientAuthorities === null ? {} : { ca: clientAuthorities };
  return { minVersion, ...protocolOptions(protocol), cert: certificate, key, ...ca };
}

function protocolOptions(protocol: TlsProtocol | undefined): SecureContextOptions {
  if (protocol === undefined) return {};
  const { ciphers, ...versions } = protocol;
  return ciphers === null ? versions : { ...versions, ciphers };
}

/** For servers of node:tls and node:https. */
export function serverTlsOptions(tls: ServerTls): TlsOptions {
  const options = serverContextOptions(tls);
  if (tls.clientAuthorities === null) return options;
  return { ...options, requestCert: true, rejectUnauthorized: true };
}

/** Throws if a certificate or the key cannot be parsed. */
export function clientContext(tls: ClientTls): SecureContext {
  return createSecureContext({
    minVersion,
    ...(tls.authorities === null ? {} : { ca: tls.authorities }),
    ...(tls.certificate === null ? {} : { cert: tls.certificate }),
    ...(tls.key === null ? {} : { key: tls.key }),
  });
}

/** The name or IP address that the server's certificate must be valid for. */
export function expectedServerName(address: SocketAddress, tls: ClientTls | null): string {
  return tls?.serverName ?? ('path' in address ? 'localhost' : address.host);
}

/** The name for SNI. Empty for an IP address, which RFC 6066 does not allow there; the certificate is verified nevertheless. */
export function sniName(serverName: string): string {
  return isIP(serverName) === 0 ? serverName : '';
}
