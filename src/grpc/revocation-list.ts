/**
 * Certificate revocation lists, as etcd reads them (client/pkg/transport/listener_tls.go): a certificate is revoked if its serial
 * number is in the list. Issuer, signature and dates of the list are not checked, because the operator provides the file.
 */
import { bodyOf, elements, SEQUENCE } from './der.ts';

const INTEGER = 0x02;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** Serial numbers in hexadecimal, in lower case without leading zeros. */
export type RevokedSerials = ReadonlySet<string>;

/** Reads a list in DER or PEM (RFC 5280, section 5.1). Throws if it is not valid. */
export function revokedSerials(file: Buffer): RevokedSerials {
  const [list] = elements(derOf(file));
  const [toBeSigned] = elements(bodyOf(list, SEQUENCE));
  const fields = elements(bodyOf(toBeSigned, SEQUENCE));
  // Version (optional), algorithm, issuer, this update, next update (optional), revoked certificates (optional), extensions.
  const isVersioned = fields[0]?.tag === INTEGER;
  const dates = isVersioned ? 3 : 2;
  if (!isTime(fields[dates]?.tag)) throw new Error('not a revocation list');
  const entries = fields[isTime(fields[dates + 1]?.tag) ? dates + 2 : dates + 1];
  if (entries?.tag !== SEQUENCE) return new Set();
  return new Set(elements(entries.body).map((entry) => serialOf(bodyOf(entry, SEQUENCE))));
}

function isTime(tag: number | undefined): boolean {
  return tag === UTC_TIME || tag === GENERALIZED_TIME;
}

function serialOf(entry: Buffer): string {
  const [serial] = elements(entry);
  return normalized(bodyOf(serial, INTEGER).toString('hex'));
}

/** The form of `RevokedSerials`. */
export function normalized(hex: string): string {
  return hex.toLowerCase().replace(/^0+(?=.)/, '');
}

const pem = /-----BEGIN X509 CRL-----([\sA-Za-z0-9+/=]+)-----END X509 CRL-----/;

function derOf(file: Buffer): Buffer {
  const base64 = file[0] === SEQUENCE ? undefined : pem.exec(file.toString('latin1'))?.[1];
  return base64 === undefined ? file : Buffer.from(base64, 'base64');
}
