/** Serial numbers of revoked certificates, from lists that openssl has written. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { revokedSerials } from '../../../src/grpc/revocation-list.ts';
import { CertificateAuthority } from '../../support/certificates.ts';

const authority = new CertificateAuthority();
afterAll(() => authority[Symbol.dispose]());

function serial(pem: Buffer): string {
  return new X509Certificate(pem).serialNumber.toLowerCase().replace(/^0+/, '');
}

function der(pem: Buffer): Buffer {
  return Buffer.from(pem.toString().replace(/-----.*?-----/g, ''), 'base64');
}

test('are read from PEM and from DER', () => {
  const certificates = [1, 2, 3].map((n) => authority.issue({ name: `/CN=${n}` }).certificate);
  const list = readFileSync(authority.revoke(...certificates));
  const serials = new Set(certificates.map(serial));
  expect(revokedSerials(list)).toEqual(serials);
  expect(revokedSerials(der(list))).toEqual(serials);
});

test('an empty list revokes nothing', () => {
  expect(revokedSerials(readFileSync(authority.revoke())).size).toBe(0);
});

test('a thousand certificates can be revoked', () => {
  const serials = Array.from({ length: 1_000 }, (_, i) => i + 1);
  const entries = serials.map((n) => tagged(0x30, [integer(n), time]));
  const list = listOf(integer(1), algorithm, issuer, time, time, tagged(0x30, entries));
  expect(revokedSerials(list)).toEqual(new Set(serials.map((n) => n.toString(16))));
});

const time = tagged(0x17, [Buffer.from('260101000000Z')]);
const algorithm = tagged(0x30, []);
const issuer = tagged(0x30, []);

/** Version 1: no version, and no next update. */
test('the optional fields may be missing', () => {
  const entries = tagged(0x30, [tagged(0x30, [integer(7), time])]);
  expect(revokedSerials(listOf(algorithm, issuer, time, entries))).toEqual(new Set(['7']));
  expect(revokedSerials(listOf(algorithm, issuer, time, time, entries))).toEqual(new Set(['7']));
  expect(revokedSerials(listOf(algorithm, issuer, time))).toEqual(new Set());
});

test.each([
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('revoked: 1')],
  ['a certificate', der(authority.certificate)],
  ['a list that is cut off', der(readFileSync(authority.revoke())).subarray(0, 60)],
  ['lengths without end', Buffer.from('308030803080', 'hex')],
  ['a length over the end', Buffer.from('30ffffffffffff', 'hex')],
])('%s is not a list', (_, bytes) => {
  expect(() => revokedSerials(bytes)).toThrow();
});

function tagged(tag: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.from([tag, 0x83, 0, 0, 0]);
  head.writeUIntBE(body.length, 2, 3);
  return Buffer.concat([head, body]);
}

function integer(n: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(n);
  return tagged(0x02, [body]);
}

function listOf(...fields: readonly Buffer[]): Buffer {
  return tagged(0x30, [tagged(0x30, fields)]);
}
