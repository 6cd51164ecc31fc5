import { X509Certificate } from 'node:crypto';
import { afterAll, expect, test } from 'vitest';
import { peerCertificate } from '../../../src/grpc/peer-certificate.ts';
import { CertificateAuthority, type Subject } from '../../support/certificates.ts';

const authority = new CertificateAuthority();
afterAll(() => authority[Symbol.dispose]());

const derOf = (subject: Subject) => new X509Certificate(authority.issue(subject).certificate).raw;

test('a certificate without names has no identities', () => {
  expect(peerCertificate(derOf({ name: '/O=games' }))).toEqual({
    commonNames: [],
    uris: [],
    dnsNames: [],
  });
});

test('several common names are in the order of the certificate', () => {
  const { commonNames } = peerCertificate(derOf({ name: '/CN=first/O=games/CN=second' }));
  expect(commonNames).toEqual(['first', 'second']);
});

test('a common name beyond ASCII is read as text', () => {
  expect(peerCertificate(derOf({ name: '/CN=Bücher 書' })).commonNames).toEqual(['Bücher 書']);
});

test('a common name that looks like a list of names is one name', () => {
  expect(peerCertificate(derOf({ name: '/CN=a, DNS:b\\/CN=c' })).commonNames).toEqual([
    'a, DNS:b/CN=c',
  ]);
});

test('only URI and DNS names are identities, each verbatim', () => {
  const alternativeNames = 'email:a@example.org,IP:10.0.0.1,DNS:A.example,URI:spiffe://x/y?z=a;b';
  expect(peerCertificate(derOf({ name: '/CN=x', alternativeNames }))).toEqual({
    commonNames: ['x'],
    uris: ['spiffe://x/y?z=a;b'],
    dnsNames: ['A.example'],
  });
});

test('every truncated certificate is an error and never a different identity', () => {
  const der = derOf({ name: '/CN=alice', alternativeNames: 'URI:spiffe://x/y' });
  for (let length = 0; length < der.length; length += 1) {
    expect(() => peerCertificate(der.subarray(0, length)), `cut at ${length}`).toThrow();
  }
});

test('every changed byte is an error or some identity, and parsing always ends', () => {
  const der = derOf({ name: '/CN=alice', alternativeNames: 'URI:spiffe://x/y' });
  for (let at = 0; at < der.length; at += 1) {
    for (const value of [0, 0x7f, 0x80, 0xff]) {
      const changed = Buffer.from(der);
      changed[at] = value;
      try {
        expect(peerCertificate(changed)).toHaveProperty('commonNames');
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  }
});
