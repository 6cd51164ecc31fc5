/**
 * The self-signed certificate of --auto-tls, stored and reused as in etcd (client/pkg/transport/listener.go, SelfCert): cert.pem and
 * key.pem in `fixtures/proxy` below the data directory. A worker thread makes it, because the library for X.509 takes 20 MB. Unlike
 * etcd's, the certificate is valid for the addresses of the listeners, and it is replaced when it has expired.
 */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { systemClock } from '../runtime/clock.ts';
import { readRegularFile } from './regular-file.ts';

export interface SelfSignedRequest {
  /** The data directory. */
  readonly directory: string;
  /** Hosts of the listeners. */
  readonly hosts: readonly string[];
  readonly years: number;
}

export interface SelfSignedFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** What the worker thread makes, in PEM. */
export interface SelfSignedPair {
  readonly certificate: string;
  readonly key: string;
}

export interface SelfSignedSubject {
  readonly ips: readonly string[];
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const yearMs = 365 * 24 * 3_600_000;

/** Rejects with the system's error if the files cannot be written. */
export async function selfSigned(request: SelfSignedRequest): Promise<SelfSignedFiles> {
  const folder = resolve(request.directory, 'fixtures', 'proxy');
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
  if (await isUsable(files)) return files;
  const nowMs = systemClock.epochMs();
  const { certificate, key } = await inWorker({
    ...alternativeNames(request.hosts),
    notBeforeMs: nowMs,
    notAfterMs: nowMs + request.years * yearMs,
  });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await replace(files.keyFile, key, 0o600);
  await replace(files.certFile, certificate, 0o644);
  return files;
}

/** Whether both files can be read and the certificate has not expired. Further problems are reported with those of other files. */
async function isUsable({ certFile, keyFile }: SelfSignedFiles): Promise<boolean> {
  try {
    const [certificate] = await Promise.all([certFile, keyFile].map(readRegularFile));
    if (certificate === undefined) return false;
    return new X509Certificate(certificate).validToDate.getTime() > systemClock.epochMs();
  } catch {
    return false;
  }
}

const unspecified: ReadonlySet<string> = new Set(['::', '0.0.0.0', '']);
const ipAddress = /^[\d.]+$|:/;

/** Clients on this machine always find a name. A listener on all addresses is reached by the name of the machine. */
function alternativeNames(hosts: readonly string[]): Pick<SelfSignedSubject, 'ips' | 'names'> {
  const isEverywhere = hosts.some((host) => unspecified.has(host));
  const all = new Set(['localhost', '127.0.0.1', '::1', ...(isEverywhere ? [hostname()] : [])]);
  for (const host of hosts) if (!unspecified.has(host)) all.add(host);
  return {
    ips: [...all].filter((host) => ipAddress.test(host)),
    names: [...all].filter((host) => !ipAddress.test(host)),
  };
}

/** Another process never reads a part of a file. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, text, { mode });
  await rename(temporary, path);
}

async function inWorker(subject: SelfSignedSubject): Promise<SelfSignedPair> {
  // The worker is a .ts file when run from source and a .js file when compiled, in the same folder as this file.
  const path = `./self-signed-worker${extname(import.meta.filename)}`;
  const worker = new Worker(new URL(path, import.meta.url), { workerData: subject });
  try {
    const [pair] = (await once(worker, 'message')) as [SelfSignedPair];
    return pair;
  } finally {
    await worker.terminate();
  }
}
