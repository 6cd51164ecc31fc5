import { describe, expect, test } from 'vitest';
import { KeySpaceError, keySpace, prefixEnd } from '../../../src/etcd/key-space.ts';
import { visibleId } from '../../../src/etcd/lease-id.ts';
import { LeaseKeys } from '../../../src/etcd/lease-keys.ts';

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
    const { prefix, prefixEnd: end } = keySpace(latin1(''));
    expect([prefix, end]).toEqual([new Uint8Array(0), Uint8Array.of(0)]);
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
});

describe('the lease IDs of a namespace', () => {
  // etcd holds them. If one of these changed, all existing leases would become foreign. Computed with another implementation.
  test.each([
    ['t1/', '', 0x0000_0007_eaaa_703bn],
    ['game-1/', '', 0x0000_0007_c221_f0den],
    ['game-1/', 'a secret of more than sixteen bytes', 0x0000_0007_376f_9f6bn],
  ])('of %j with the secret %j never change', (namespace, secret, stored) => {
    const { leases } = keySpace(latin1(namespace), { leaseKeys: new LeaseKeys(latin1(secret)) });
    expect(leases.stored(7)).toBe(stored);
  });

  test('differ for two names that the hash of an earlier release could not tell apart', () => {
    const [one, other] = ['game-855/', 'pod-u8sabaaa/'].map(
      (name) => keySpace(latin1(name)).leases,
    );
    for (let visible = 1; visible < 1_000; visible++) {
      expect(visibleId(one!, other!.stored(visible))).toBeNull();
      expect(visibleId(other!, one!.stored(visible))).toBeNull();
    }
  });

  test('of a proxy with a secret are foreign to one without', () => {
    const secret = latin1('a secret of more than sixteen bytes');
    const sealed = keySpace(latin1('t1/'), { leaseKeys: new LeaseKeys(secret) }).leases.stored(7);
    expect(visibleId(keySpace(latin1('t1/')).leases, sealed)).toBeNull();
  });
});
