/**
 * Whether the certificate of a client, or one between it and a trusted authority, is revoked. etcd checks the certificates that
 * the client has presented. Node.js shows a server only the first of them, so the others must be in the file of the authorities: a
 * certificate whose issuer is not there cannot be checked, and is treated as revoked.
 */
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { normalized, type RevokedSerials } from './revocation-list.ts';
import type { ServerTls } from './transport.ts';

/** As many as OpenSSL verifies. */
const depthMax = 100;

export class RevocationCheck {
  readonly #serials: RevokedSerials;
  readonly #authorities: readonly X509Certificate[];

  private constructor(serials: RevokedSerials, authorities: Buffer) {
    this.#serials = serials;
    const pems = authorities.toString('latin1').match(pem) ?? [];
    this.#authorities = pems.map((each) => new X509Certificate(each));
  }

  /** Returns null if there is nothing to check. */
  static of({ revoked, clientAuthorities }: ServerTls): RevocationCheck | null {
    if (revoked === undefined || clientAuthorities === null) return null;
    return new RevocationCheck(revoked, clientAuthorities);
  }

  /** Call after the handshake, in which OpenSSL has verified the certificate. */
  refuses(socket: TLSSocket): boolean {
    const certificate = socket.getPeerX509Certificate();
    return certificate === undefined || !this.#isClean(certificate, 0);
  }

  #isClean(certificate: X509Certificate, depth: number): boolean {
    if (depth > depthMax || this.#serials.has(normalized(certificate.serialNumber))) return false;
    return this.#authorities.some(
      (authority) =>
        certificate.checkIssued(authority) &&
        certificate.verify(authority.publicKey) &&
        // Clients do not present a root.
        (authority.checkIssued(authority) || this.#isClean(authority, depth + 1)),
    );
  }
}

const pem =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
