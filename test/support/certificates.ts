/**
 * A certificate authority for one test run: keys and certificates made by the `openssl` command in a directory that is
 * gone when it is disposed of. Small elliptic keys, valid for a day; never for production.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TemporaryDirectory } from './temporary-directory.ts';

export interface KeyPair {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface Subject {
  /** In openssl's form, for example `/O=games/CN=alice`. */
  readonly name: string;
  /** In openssl's form, for example `DNS:localhost,IP:127.0.0.1,URI:spiffe://x/y`. */
  readonly alternativeNames?: string;
}

export class CertificateAuthority implements Disposable {
  readonly #directory = new TemporaryDirectory('certificates');
  readonly certificateFile = join(this.#directory.path, 'ca.crt');
  readonly certificate: Buffer;
  readonly #keyFile = join(this.#directory.path, 'ca.key');
  #issued = 0;

  constructor(name = 'test authority') {
    this.#openssl(
      ...['req', '-x509', ...newKey(this.#keyFile), '-subj', `/CN=${name}`, '-days', '1'],
      ...['-addext', 'basicConstraints=critical,CA:TRUE', '-out', this.certificateFile],
    );
    this.certificate = readFileSync(this.certificateFile);
  }

  issue(subject: Subject): KeyPair {
    this.#issued += 1;
    const keyFile = join(this.#directory.path, `${this.#issued}.key`);
    const certificateFile = join(this.#directory.path, `${this.#issued}.crt`);
    const names = subject.alternativeNames;
    this.#openssl(
      ...['req', '-x509', ...newKey(keyFile), '-subj', subject.name, '-days', '1', '-utf8'],
      ...['-CA', this.certificateFile, '-CAkey', this.#keyFile, '-out', certificateFile],
      ...['-addext', 'basicConstraints=critical,CA:FALSE'],
      ...(names === undefined ? [] : ['-addext', `subjectAltName=${names}`]),
    );
    return {
      certificate: readFileSync(certificateFile),
      key: readFileSync(keyFile),
      certificateFile,
      keyFile,
    };
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file];
}
