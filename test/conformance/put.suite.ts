/** KV.Put: what a write changes, what it keeps, and what is too large. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { refusal } from '../support/client.ts';
import type { TargetKind } from '../support/target.ts';
import { differing } from './differences.ts';
import { etcdErrors, messageTooLarge } from './etcd-errors.ts';
import { bytes, expectRefusal, revision, useWorld } from './world.ts';

export function putSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  test('every write raises the revision by one, and its response has the new one', async () => {
    const k = world.keys();
    const before = await world.now();
    const first = await world.put(k('a'));
    const second = await world.put(k('b'));
    expect([revision(first), revision(second)]).toEqual([before + 1, before + 2]);
    expect(first.prev_kv).toBeNull();
  });

  test('an empty value is a value', async () => {
    const k = world.keys();
    await world.put(k('a'), '');
    await expect(world.value(k('a'))).resolves.toBe('');
  });

  test('prev_kv is absent for a new key', async () => {
    const answer = await world.put(world.keys()('a'), 'one', { prev_kv: true });
    expect(answer.prev_kv).toBeNull();
  });

  test('prev_kv is the whole key as it was', async () => {
    const k = world.keys();
    const created = revision(await world.put(k('a'), 'one'));
    const answer = await world.put(k('a'), 'two', { prev_kv: true });
    expect(answer.prev_kv).toEqual({
      key: k('a'),
      value: bytes('one'),
      create_revision: String(created),
      mod_revision: String(created),
      version: '1',
      lease: '0',
    });
  });

  test('prev_kv names the lease', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'one', { lease });
    const answer = await world.put(k('a'), 'two', { prev_kv: true });
    expect(answer.prev_kv?.lease).toBe(lease);
  });

  test('a write of the same value is a new revision all the same', async () => {
    const k = world.keys();
    const [first, second] = await world.fill(k, 'a', 'a');
    expect(second).toBe((first ?? 0) + 1);
  });

  test('a lease is shown by the key, and a write without one detaches it', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'one', { lease });
    const attached = await world.range({ key: k('a') });
    expect(attached.kvs[0]?.lease).toBe(lease);
    await world.put(k('a'), 'two');
    const detached = await world.range({ key: k('a') });
    expect(detached.kvs[0]?.lease).toBe('0');
  });

  test('a write moves the key from one lease to another', async () => {
    const k = world.keys();
    const [one, two] = [await world.grant(600), await world.grant(600)];
    await world.put(k('a'), 'v', { lease: one });
    await world.put(k('a'), 'v', { lease: two });
    await world.client.call('etcdserverpb.Lease/LeaseRevoke', { ID: one });
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]?.lease).toBe(two);
  });

  test('ignore_value keeps the value and takes the lease', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'kept');
    await world.put(k('a'), '', { ignore_value: true, lease });
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]).toMatchObject({ value: bytes('kept'), lease, version: '2' });
  });

  test('ignore_lease keeps the lease and takes the value', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'one', { lease });
    await world.put(k('a'), 'two', { ignore_lease: true });
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]).toMatchObject({ value: bytes('two'), lease, version: '2' });
  });

  test('ignore_value and ignore_lease together touch the key', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.put(k('a'), 'kept', { lease });
    await world.put(k('a'), '', { ignore_value: true, ignore_lease: true });
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]).toMatchObject({ value: bytes('kept'), lease, version: '2' });
  });

  test('ignore_value and ignore_lease need a key that exists', async () => {
    const k = world.keys();
    await expectRefusal(world.put(k('a'), '', { ignore_value: true }), etcdErrors.keyNotFound);
    await expectRefusal(world.put(k('a'), 'v', { ignore_lease: true }), etcdErrors.keyNotFound);
    await expect(world.value(k('a'))).resolves.toBeUndefined();
  });

  test('ignore_value with a value is refused', async () => {
    const k = world.keys();
    await world.fill(k, 'a');
    await expectRefusal(world.put(k('a'), 'v', { ignore_value: true }), etcdErrors.valueProvided);
  });

  test('ignore_lease with a lease is refused', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await world.fill(k, 'a');
    await expectRefusal(
      world.put(k('a'), 'v', { ignore_lease: true, lease }),
      etcdErrors.leaseProvided,
    );
  });

  test('an empty key is refused, before anything else about the request', async () => {
    const before = await world.now();
    await expectRefusal(world.put(bytes('')), etcdErrors.keyNotProvided);
    await expectRefusal(
      world.put(bytes(''), 'v', { ignore_value: true, lease: 1 }),
      etcdErrors.keyNotProvided,
    );
    await expect(world.now()).resolves.toBe(before);
  });

  test('an unknown lease is refused, and nothing is written', async () => {
    const k = world.keys();
    await expectRefusal(world.put(k('a'), 'v', { lease: 123_456 }), etcdErrors.leaseNotFound);
    await expect(world.value(k('a'))).resolves.toBeUndefined();
  });

  test('a negative lease and one of 63 bits are unknown leases', async () => {
    const k = world.keys();
    for (const lease of ['-1', '2147483648', '9223372036854775807']) {
      await expectRefusal(world.put(k('a'), 'v', { lease }), etcdErrors.leaseNotFound);
    }
  });

  test('a value of 1.4 MB goes in and comes back', async () => {
    const k = world.keys();
    const value = Buffer.alloc(1_400_000, 'abcdefg');
    await world.put(k('a'), value);
    const { kvs } = await world.range({ key: k('a') });
    expect(kvs[0]?.value.equals(value)).toBe(true);
    const { prev_kv } = await world.put(k('a'), 'small', { prev_kv: true });
    expect(prev_kv?.value.equals(value)).toBe(true);
  });

  test('a request over 1.5 MiB is too large', async () => {
    const k = world.keys();
    await expectRefusal(world.put(k('a'), Buffer.alloc(1_600_000)), etcdErrors.tooLarge);
    await expect(world.value(k('a'))).resolves.toBeUndefined();
  });

  test('the largest request that fits, to the byte', async () => {
    const k = world.keys();
    const roomFor = 1_572_864;
    const fits = (size: number) =>
      world.put(k('a'), Buffer.alloc(size)).then(
        () => true,
        () => false,
      );
    let [least, most] = [roomFor - 1024, roomFor];
    while (most - least > 1) {
      const middle = Math.floor((least + most) / 2);
      if (await fits(middle)) least = middle;
      else most = middle;
    }
    const [around, prefix] = [roomFor - least, world.target.namespace.length];
    // Key, tags, lengths and the header that etcd puts before the request in its log.
    expect(around - prefix).toBeGreaterThan(k('a').length);
    expect(around - prefix).toBeLessThan(k('a').length + 64);
    expect(prefix > 0).toBe(differing(kind, 'request-size', { etcd: false, instead: true }));
  });

  test('a message over 2 MiB is not even read, and the connection lives on', async () => {
    const k = world.keys();
    const { code, details } = await refusal(world.put(k('a'), Buffer.alloc(3_000_000)));
    expect(code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(details).toMatch(messageTooLarge(kind));
    await world.fill(k, 'a');
    await expect(world.value(k('a'))).resolves.toBe('a');
  });

  test('writes at once each get a revision of their own', async () => {
    const k = world.keys();
    const written = await Promise.all(
      Array.from({ length: 100 }, (_, i) => world.put(k(`key-${i}`))),
    );
    expect(new Set(written.map(revision)).size).toBe(100);
    await expect(world.range(k.all)).resolves.toMatchObject({ count: '100' });
  });
}
