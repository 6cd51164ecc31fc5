/** The worker thread of self-signed.ts: makes one key and its certificate, with the fields of etcd's, and posts both. */
// The library for X.509 needs it.
import 'reflect-metadata';
import { KeyObject, webcrypto } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { SelfSignedPair, SelfSignedSubject } from './self-signed.ts';

async function make(subject: SelfSignedSubject): Promise<SelfSignedPair> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const usages =
    KeyUsageFlags.keyEncipherment | KeyUsageFlags.digitalSignature | KeyUsageFlags.cRLSign;
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'O=etcd',
    notBefore: new Date(subject.notBeforeMs),
    notAfter: new Date(subject.notAfterMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      // Clients can use the certificate as their CA certificate.
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(usages | KeyUsageFlags.keyCertSign, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension([
        ...subject.ips.map((value) => ({ type: 'ip', value }) as const),
        ...subject.names.map((value) => ({ type: 'dns', value }) as const),
      ]),
    ],
  });
  const key = KeyObject.from(keys.privateKey).export({ type: 'sec1', format: 'pem' });
  return { certificate: `${certificate.toString('pem')}\n`, key: key.toString() };
}

parentPort?.postMessage(await make(workerData as SelfSignedSubject));
