/**
 * A certificate authority for one test run: keys and certificates made by the `openssl` command in a directory that is
 * gone when it is disposed of. Small elliptic keys, valid for a day; never for production.
 */
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';

import { readFileSync, writeFileSync } from 'node:fs';
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

  /** `above` is the authority that signs the certificate of this one. Without it, the certificate is self-signed. */
  constructor(name = 'test authority', above?: CertificateAuthority) {
    this.#openssl(
      ...['req', '-x509', ...newKey(this.#keyFile), '-subj', `/CN=${name}`, '-days', '1'],
      ...(above === undefined ? [] : ['-CA', above.certificateFile, '-CAkey', above.#keyFile]),
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

  /** The file of a revocation list in PEM with these certificates. */
  revoke(...certificates: readonly Buffer[]): string {
    this.#issued += 1;
    const file = join(this.#directory.path, `${this.#issued}.crl`);
    const database = join(this.#directory.path, `${this.#issued}.index`);
    const lines = certificates.map((each) => {
      const { serialNumber } = new X509Certificate(each);
      return `R\t400101000000Z\t200101000000Z\t${serialNumber}\tunknown\t/CN=x\n`;
    });
    writeFileSync(database, lines.join(''));
    const config = join(this.#directory.path, `${this.#issued}.cnf`);
    writeFileSync(config, `[ca]\ndefault_ca=x\n[x]\ndatabase=${database}\ndefault_md=sha256\n`);
    this.#openssl(
      ...['ca', '-gencrl', '-crldays', '1', '-config', config, '-out', file],
      ...['-cert', this.certificateFile, '-keyfile', this.#keyFile],
    );
    return file;
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
