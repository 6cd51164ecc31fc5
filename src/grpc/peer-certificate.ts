/**
 * Reads the names in a client certificate. They are read from DER and not from a printed form, in which a crafted name can
 * look like several (CVE-2021-44532). Nothing is verified here: OpenSSL has verified the certificate during the handshake.
 */
import { bodyOf, type Element, elements, SEQUENCE } from './der.ts';
import type { PeerCertificate } from './transport.ts';

const SET = 0x31;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
const URI = 0x86;

const commonNameId = Buffer.from('550403', 'hex');
const subjectAltNameId = Buffer.from('551d11', 'hex');

/** RFC 5280, section 4.1. Throws if `der` is not a valid certificate. */
export function peerCertificate(der: Buffer): PeerCertificate {
  const [certificate] = elements(der);
  const [toBeSigned] = elements(bodyOf(certificate, SEQUENCE));
  const fields = elements(bodyOf(toBeSigned, SEQUENCE));
  // Version (absent in v1 certificates), serial number, algorithm, issuer, validity, subject.
  const subject = fields[fields[0]?.tag === 0xa0 ? 5 : 4];
  const extensions = fields.find((field) => field.tag === EXTENSIONS);
  const names = extensions === undefined ? [] : alternativeNames(extensions.body);
  return {
    commonNames: commonNames(bodyOf(subject, SEQUENCE)),
    uris: names.filter((name) => name.tag === URI).map((name) => name.body.toString('latin1')),
    dnsNames: names
      .filter((name) => name.tag === DNS_NAME)
      .map((name) => name.body.toString('latin1')),
  };
}

function commonNames(subject: Buffer): readonly string[] {
  const found: string[] = [];
  for (const set of elements(subject)) {
    for (const attribute of elements(bodyOf(set, SET))) {
      const [id, value] = elements(bodyOf(attribute, SEQUENCE));
      if (value !== undefined && bodyOf(id, OBJECT_IDENTIFIER).equals(commonNameId)) {
        found.push(directoryString(value));
      }
    }
  }
  return found;
}

function alternativeNames(extensions: Buffer): Element[] {
  const [list] = elements(extensions);
  for (const extension of elements(bodyOf(list, SEQUENCE))) {
    const parts = elements(bodyOf(extension, SEQUENCE));
    // The optional flag `critical` may be between the two.
    if (bodyOf(parts[0], OBJECT_IDENTIFIER).equals(subjectAltNameId)) {
      const [names] = elements(bodyOf(parts.at(-1), OCTET_STRING));
      return elements(bodyOf(names, SEQUENCE));
    }
  }
  return [];
}

function directoryString({ tag, body }: Element): string {
  switch (tag) {
    case 0x0c: // UTF8String
      return body.toString('utf8');
    case 0x1e: // BMPString
      return Buffer.from(body).swap16().toString('utf16le');
    default: // PrintableString, IA5String, TeletexString
      return body.toString('latin1');
  }
}
