/** A temporary self-signed certificate for the loopback addresses. It is its own CA certificate. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Processes } from './processes.ts';

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Certificate and key in one file, as HAProxy requires. */
  readonly combinedFile: string;
  readonly pem: string;
}

/** Needs `openssl`; rejects if it is not installed. */
export async function makeCertificate(processes: Processes): Promise<Certificate> {
  const certificateFile = processes.newFile('certificate.pem');
  const keyFile = processes.newFile('key.pem');
  const combinedFile = processes.newFile('combined.pem');
  await processes.run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', '/CN=etcd-bulkhead-bench'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ...['-keyout', keyFile, '-out', certificateFile],
  ]);
  const pem = readFileSync(certificateFile, 'utf8');
  writeFileSync(combinedFile, pem + readFileSync(keyFile, 'utf8'));
  return { certificateFile, keyFile, combinedFile, pem };
}
