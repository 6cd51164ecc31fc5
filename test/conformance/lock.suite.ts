/** The lock service: which client gets the lock, on which lease, and how invalid requests are rejected. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type CallOptions, refusal } from '../support/client.ts';
import type { Bytes, Int64 } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { eventually } from '../support/until.ts';
import { etcdErrors } from './etcd-errors.ts';
import { bytes, expectRefusal, type Keys, names, revision, useWorld } from './world.ts';

/** The services built on a client of etcd's own report what that client says without its code. */
const asUnknown = ({ details }: { readonly details: string }) => ({ code: Code.UNKNOWN, details });

export function lockSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  const lock = (name: Bytes, lease: Int64 = 0, options?: CallOptions) =>
    world.client.call('v3lockpb.Lock/Lock', { name, lease }, options);
  const unlock = (key: Bytes) => world.client.call('v3lockpb.Lock/Unlock', { key });
  const timeToLive = (ID: Int64, keys = false) =>
    world.client.call('etcdserverpb.Lease/LeaseTimeToLive', { ID, keys });
  /** Resolves when so many clients hold the lock or wait for it. */
  const queued = async (k: Keys, count: number) => {
    const { kvs } = await eventually(
      () => world.range(k.all),
      (answer) => answer.kvs.length === count,
    );
    expect(kvs).toHaveLength(count);
    return kvs;
  };

  test('the key of a lock begins with its name and hangs on the lease of its owner', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    const locked = await lock(k('lock'), lease);
    expect(locked.key.toString()).toMatch(/^case-\d+\/lock\/[0-9a-f]+$/);
    expect(revision(locked)).toBeGreaterThan(0);
    const { kvs } = await world.range(k.all);
    expect(kvs).toMatchObject([{ key: locked.key, lease, value: bytes('') }]);
    await expect(timeToLive(lease, true)).resolves.toMatchObject({ keys: [locked.key] });
  });

  test('a lock that is asked for again on its own lease is the same lock', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    const [one, two] = [await lock(k('lock'), lease), await lock(k('lock'), lease)];
    expect(two.key).toEqual(one.key);
    await queued(k, 1);
  });

  test('without a lease, one of 60 seconds is granted', async () => {
    const k = world.keys();
    const { key } = await lock(k('lock'));
    const [kv] = (await world.range({ key })).kvs;
    expect(kv?.lease).not.toBe('0');
    const ttl = await timeToLive(kv?.lease ?? 0, true);
    expect(ttl).toMatchObject({ grantedTTL: '60', keys: [key] });
    await world.client.call('etcdserverpb.Lease/LeaseRevoke', { ID: kv?.lease ?? 0 });
    await expect(world.range({ key })).resolves.toMatchObject({ kvs: [] });
  });

  test('the second client waits until the first has unlocked', async () => {
    const k = world.keys();
    const first = await lock(k('lock'));
    let isLocked = false;
    const waiting = lock(k('lock')).then((answer) => {
      isLocked = true;
      return answer;
    });
    await queued(k, 2);
    expect(isLocked).toBe(false);
    const unlocked = await unlock(first.key);
    const second = await waiting;
    expect(second.key).not.toEqual(first.key);
    expect(revision(second)).toBeGreaterThanOrEqual(revision(unlocked));
    await queued(k, 1);
  });

  test('the lock passes on when the lease of its owner ends', async () => {
    const k = world.keys();
    const lease = await world.grant(600);
    await lock(k('lock'), lease);
    const waiting = lock(k('lock'));
    await queued(k, 2);
    await world.client.call('etcdserverpb.Lease/LeaseRevoke', { ID: lease });
    await expect(waiting).resolves.toBeDefined();
  });

  test('a client that stops waiting leaves the queue', async () => {
    const k = world.keys();
    const { key } = await lock(k('lock'));
    const leaving = new AbortController();
    const waiting = refusal(lock(k('lock'), 0, { signal: leaving.signal }));
    await queued(k, 2);
    leaving.abort();
    expect((await waiting).code).toBe(Code.CANCELLED);
    expect(await queued(k, 1)).toMatchObject([{ key }]);
  });

  test('a client whose deadline passes leaves the queue', async () => {
    const k = world.keys();
    const { key } = await lock(k('lock'));
    const waiting = refusal(lock(k('lock'), 0, { timeoutMs: 700 }));
    await queued(k, 2);
    // Whether the client's library or etcd reports it first is a matter of microseconds.
    expect([Code.DEADLINE_EXCEEDED, Code.UNKNOWN]).toContain((await waiting).code);
    expect(await queued(k, 1)).toMatchObject([{ key }]);
  });

  test('locks whose names begin alike do not wait for each other', async () => {
    const k = world.keys();
    await lock(k('lock'));
    await expect(lock(k('lock2'))).resolves.toBeDefined();
    await expect(lock(k('loc'))).resolves.toBeDefined();
  });

  test('a name may be empty, or be any bytes', async () => {
    await world.empty();
    const empty = await lock(bytes(''));
    expect(empty.key.toString()).toMatch(/^\/[0-9a-f]+$/);
    const absent = refusal(world.client.call('v3lockpb.Lock/Lock', {}, { timeoutMs: 300 }));
    expect((await absent).details).toMatch(/deadline/i);
    for (const name of ['\0', '\xff', '\xff\xff', 'a/b', '/']) {
      const { key } = await lock(bytes(name));
      expect(key.toString('latin1')).toMatch(/\/[0-9a-f]+$/);
      expect(key.subarray(0, name.length)).toEqual(bytes(name));
      await unlock(key);
      await expect(world.value(key)).resolves.toBeUndefined();
    }
  });

  test('a lease that does not exist', async () => {
    const k = world.keys();
    for (const lease of ['4242', '-1', '2147483648', '9223372036854775807']) {
      await expectRefusal(lock(k('lock'), lease), asUnknown(etcdErrors.leaseNotFound));
    }
    await queued(k, 0);
  });

  test('unlock deletes one key, whatever that is', async () => {
    const k = world.keys();
    await world.fill(k, 'a', 'ab', 'b');
    const unlocked = await unlock(k('a'));
    expect(names((await world.range(k.all)).kvs)).toEqual(['ab', 'b']);
    expect(revision(unlocked)).toBe(await world.now());
    await expect(unlock(k('a'))).resolves.toBeDefined();
  });

  test('unlock without a key', async () => {
    await expectRefusal(unlock(bytes('')), asUnknown(etcdErrors.keyNotProvided));
    const bare = world.client.call('v3lockpb.Lock/Unlock', {});
    await expectRefusal(bare, asUnknown(etcdErrors.keyNotProvided));
  });
}
