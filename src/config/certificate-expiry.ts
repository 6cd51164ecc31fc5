/** When the certificates of a configuration end. They were found to be certificates when it was loaded. */
import { X509Certificate } from 'node:crypto';
import type { Config } from './config.ts';

export interface CertificateExpiry {
  /** `server` is shown to clients, `client` to etcd. */
  readonly use: 'server' | 'client';
  /** The listener, or empty. */
  readonly listener: string;
  readonly epochSeconds: number;
}

export function certificateExpiries({
  listeners,
  endpoints,
}: Config): readonly CertificateExpiry[] {
  const expiries: CertificateExpiry[] = [];
  for (const { name, tls } of listeners) {
    if (tls === null) continue;
    const epochSeconds = endOf(tls.certificate);
    expiries.push({ use: 'server', listener: name, epochSeconds });
  }
  // The same one for every endpoint.
  const own = endpoints.find(({ tls }) => tls?.certificate)?.tls?.certificate;
  if (own) expiries.push({ use: 'client', listener: '', epochSeconds: endOf(own) });
  return expiries;
}

function endOf(pem: Buffer): number {
  return Date.parse(new X509Certificate(pem).validTo) / 1_000;
}
