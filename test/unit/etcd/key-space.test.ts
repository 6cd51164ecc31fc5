import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  derivedLeaseTag,
  KeySpaceError,
  keySpace,
  leaseTagMax,
  leaseTagMin,
  prefixEnd,
} from '../../../src/etcd/key-space.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('the end of a prefix', () => {
  test.each([
    ['t1/', 't10'],
    ['a', 'b'],
    ['a\xff', 'b'],
    ['a\xff\xff', 'b'],
    ['\xff\xfe\xff', '\xff\xff'],
    ['\x00', '\x01'],
  ])('of %j is %j', (prefix, end) => {
    expect(prefixEnd(latin1(prefix))).toEqual(new Uint8Array(latin1(end)));
  });

  test('does not exist for a prefix of 0xff bytes', () => {
    expect(prefixEnd(latin1('\xff\xff'))).toBeNull();
    expect(prefixEnd(latin1(''))).toBeNull();
  });
});

test('computing the end of a prefix does not change the prefix', () => {
  const prefix = latin1('a\xff');
  prefixEnd(prefix);
  expect(prefix).toEqual(latin1('a\xff'));
});

describe('a key space', () => {
  test('of an empty namespace is the whole cluster', () => {
    expect(keySpace(latin1(''))).toEqual({
      prefix: new Uint8Array(0),
      prefixEnd: Uint8Array.of(0),
      leaseTag: 0,
    });
  });

  test('does not share memory with the namespace', () => {
    const namespace = latin1('t1/');
    const space = keySpace(namespace);
    namespace.fill(0);
    expect(Buffer.from(space.prefix).toString()).toBe('t1/');
  });

  test('is rejected for a namespace of 0xff bytes', () => {
    expect(() => keySpace(latin1('\xff'))).toThrow(KeySpaceError);
  });

  test.each([0, -1, 1.5, 2 ** 32 - 1, 2 ** 32])('is rejected for the lease tag %d', (tag) => {
    expect(() => keySpace(latin1('t1/'), tag)).toThrow(KeySpaceError);
  });

  test('is rejected for a lease tag without a namespace', () => {
    expect(() => keySpace(latin1(''), 5)).toThrow(KeySpaceError);
  });

  test.each([leaseTagMin, leaseTagMax])('accepts the lease tag %d', (tag) => {
    expect(keySpace(latin1('t1/'), tag).leaseTag).toBe(tag);
  });
});

describe('the lease tag of a namespace', () => {
  // Stored lease IDs contain the tag. If one of these changed, all existing leases would become foreign.
  test.each([
    ['t1/', 0x61c0_d512],
    ['game-1/', 0xdaa9_77d7],
    ['game-2/', 0x74c3_b1ef],
  ])('of %j never changes', (namespace, tag) => {
    expect(derivedLeaseTag(latin1(namespace))).toBe(tag);
    expect(keySpace(latin1(namespace)).leaseTag).toBe(tag);
  });

  test('is the first four bytes of the SHA-256 of the namespace', () => {
    const digest = createHash('sha256').update('any namespace').digest();
    expect(derivedLeaseTag(latin1('any namespace'))).toBe(digest.readUInt32BE(0));
  });
});
