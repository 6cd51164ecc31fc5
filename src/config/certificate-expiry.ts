/** When the certificates of a configuration expire. Loading the configuration has verified that they can be parsed. */
import { X509Certificate } from 'node:crypto';
import type { Config } from './config.ts';

export interface CertificateExpiry {
  /** `server`: presented to clients. `client`: presented to etcd. */
  readonly use: 'server' | 'client';
  /** Name of the listener; empty for `client`. */
  readonly listener: string;
  readonly epochSeconds: number;
}

export function certificateExpiries({
  listeners,
  secureTls,
}: Config): readonly CertificateExpiry[] {
  const expiries: CertificateExpiry[] = [];
  for (const { name, tls } of listeners) {
    if (tls === null) continue;
    const epochSeconds = expiryOf(tls.certificate);
    expiries.push({ use: 'server', listener: name, epochSeconds });
  }
  const own = secureTls.certificate;
  if (own !== null) expiries.push({ use: 'client', listener: '', epochSeconds: expiryOf(own) });
  return expiries;
}

function expiryOf(pem: Buffer): number {
  return Date.parse(new X509Certificate(pem).validTo) / 1_000;
}
