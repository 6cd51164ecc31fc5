/** Leases: granting, renewing, querying them, and what happens to their keys when they end. */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { refusal } from '../support/client.ts';
import type { Int64 } from '../support/messages.ts';
import type { TargetKind } from '../support/target.ts';
import { eventually } from '../support/until.ts';
import { differs } from './differences.ts';
import { etcdErrors } from './etcd-errors.ts';
import { createWatcher, expectRefusal, names, revision, told, useWorld } from './world.ts';

export function leaseSuite(kind: TargetKind): void {
  const world = useWorld(kind);

  const grant = (TTL: Int64, ID: Int64 = 0) =>
    world.client.call('etcdserverpb.Lease/LeaseGrant', { TTL, ID });
  const revoke = (ID: Int64) => world.client.call('etcdserverpb.Lease/LeaseRevoke', { ID });
  const timeToLive = (ID: Int64, keys = false) =>
    world.client.call('etcdserverpb.Lease/LeaseTimeToLive', { ID, keys });
  const leases = async () => {
    const answer = await world.client.call('etcdserverpb.Lease/LeaseLeases', {});
    return answer.leases.map(({ ID }) => ID);
  };
  const keepAlive = () => world.client.stream('etcdserverpb.Lease/LeaseKeepAlive');

  test('an ID is chosen by the server when the client chooses none', async () => {
    const one = await grant(600);
    const two = await grant(600);
    expect(one).toMatchObject({ TTL: '600', error: '' });
    expect(BigInt(one.ID)).toBeGreaterThan(0n);
    expect(one.ID).not.toBe(two.ID);
    expect(one.header?.cluster_id).not.toBe('0');
    await expect(timeToLive(one.ID)).resolves.toMatchObject({ ID: one.ID, grantedTTL: '600' });
  });

  test('an ID that the client chose is honoured', async () => {
    const id = world.leaseId();
    await expect(grant(600, id)).resolves.toMatchObject({ ID: String(id), TTL: '600' });
  });

  test('the smallest and the largest ID of 31 bits', async () => {
    for (const id of ['1', '2147483647']) {
      const k = world.keys();
      await expect(grant(600, id)).resolves.toMatchObject({ ID: id });
      await world.put(k('a'), 'v', { lease: id });
      expect((await world.range({ key: k('a') })).kvs[0]?.lease).toBe(id);
      await expect(timeToLive(id, true)).resolves.toMatchObject({ ID: id, keys: [k('a')] });
      await revoke(id);
      await expect(world.value(k('a'))).resolves.toBeUndefined();
    }
  });

  test('an ID beyond 31 bits or below zero', async () => {
    for (const id of ['2147483648', '9223372036854775807', '-1', '-9223372036854775808']) {
      await differs(kind, 'lease-id-range', {
        etcd: async () => {
          await expect(grant(600, id)).resolves.toMatchObject({ ID: id });
          await revoke(id);
        },
        instead: async () => {
          const { code, details } = await refusal(grant(600, id));
          expect(code).toBe(Code.INVALID_ARGUMENT);
          expect(details).toContain('2147483647');
        },
      });
    }
  });

  test('an ID that is taken is refused, and the lease lives on as it was', async () => {
    const id = await world.grant(600);
    await expectRefusal(grant(900, id), etcdErrors.leaseExists);
    await expect(timeToLive(id)).resolves.toMatchObject({ grantedTTL: '600' });
  });

  test('an ID is free again after the lease was revoked', async () => {
    const id = await world.grant(600);
    await revoke(id);
    await expect(grant(900, id)).resolves.toMatchObject({ ID: id, TTL: '900' });
  });

  test('a time to live below the least is raised', async () => {
    for (const ttl of [0, -5, 1]) {
      const id = world.leaseId();
      await expect(grant(ttl, id)).resolves.toMatchObject({ TTL: '1' });
    }
  });

  test('a time to live of more than nine billion seconds is refused', async () => {
    await expectRefusal(grant('9000000001', world.leaseId()), etcdErrors.leaseTtlTooLarge);
    const id = world.leaseId();
    await expect(grant('9000000000', id)).resolves.toMatchObject({ TTL: '9000000000' });
    await revoke(id);
  });

  test('revoking deletes the keys of the lease in one revision, and no others', async () => {
    const k = world.keys();
    const [one, two] = [await world.grant(600), await world.grant(600)];
    await world.put(k('a'), 'v', { lease: one });
    await world.put(k('b'), 'v', { lease: one });
    await world.put(k('c'), 'v', { lease: two });
    const before = revision(await world.put(k('d')));
    const answer = await revoke(one);
    expect(revision(answer)).toBe(before + 1);
    expect(names((await world.range(k.all)).kvs)).toEqual(['c', 'd']);
  });

  test('revoking a lease without keys leaves the revision alone', async () => {
    const id = await world.grant(600);
    const before = await world.now();
    await revoke(id);
    await expect(world.now()).resolves.toBe(before);
  });

  test('revoking what does not exist is refused', async () => {
    for (const id of [123_456, 0, -1, '2147483648', '9223372036854775807']) {
      await expectRefusal(revoke(id), etcdErrors.leaseNotFound);
    }
    const id = await world.grant(600);
    await revoke(id);
    await expectRefusal(revoke(id), etcdErrors.leaseNotFound);
  });

  test('time to live says what is left and what was granted', async () => {
    const id = await world.grant(600);
    const answer = await timeToLive(id);
    expect(answer).toMatchObject({ ID: id, grantedTTL: '600', keys: [] });
    expect(Number(answer.TTL)).toBeGreaterThan(590);
    expect(Number(answer.TTL)).toBeLessThanOrEqual(600);
  });

  test('time to live lists the keys when asked to', async () => {
    const k = world.keys();
    const id = await world.grant(600);
    for (const name of ['a', 'b', 'c\xff']) await world.put(k(name), 'v', { lease: id });
    const { keys } = await timeToLive(id, true);
    expect(names(keys.map((key) => ({ key }))).toSorted()).toEqual(['a', 'b', 'c\xff']);
    await expect(timeToLive(id)).resolves.toMatchObject({ keys: [] });
  });

  test('time to live of what does not exist is -1, and the ID comes back', async () => {
    for (const id of ['123456', '0', '-1', '2147483648', '9223372036854775807']) {
      await expect(timeToLive(id, true)).resolves.toMatchObject({
        ID: id,
        TTL: '-1',
        grantedTTL: '0',
        keys: [],
      });
    }
  });

  test('the list of leases has those that were granted and lacks those that were revoked', async () => {
    const [one, two, three] = [
      await world.grant(600),
      await world.grant(600),
      (await grant(600)).ID,
    ];
    await revoke(two);
    const listed = await leases();
    expect(listed).toContain(one);
    expect(listed).toContain(three);
    expect(listed).not.toContain(two);
  });

  test('a renewal is answered with the ID and the time granted', async () => {
    const id = await world.grant(600);
    using stream = keepAlive();
    stream.send({ ID: id });
    const answer = await stream.next();
    expect(answer).toMatchObject({ ID: id, TTL: '600' });
    expect(revision(answer)).toBeGreaterThan(0);
  });

  test('renewals of several leases on one stream are answered in their order', async () => {
    const ids = [await world.grant(600), await world.grant(700), (await grant(800)).ID];
    using stream = keepAlive();
    const sent = [...ids, ...ids.toReversed(), ...ids];
    for (const ID of sent) stream.send({ ID });
    const answered = [];
    while (answered.length < sent.length) answered.push((await stream.next()).ID);
    expect(answered).toEqual(sent);
  });

  test('renewing what does not exist is answered with 0, and the stream lives on', async () => {
    const id = await world.grant(600);
    using stream = keepAlive();
    for (const unknown of ['123456', '-1', '2147483648', '9223372036854775807']) {
      stream.send({ ID: unknown });
      await expect(stream.next()).resolves.toMatchObject({ ID: unknown, TTL: '0' });
    }
    stream.send({ ID: id });
    await expect(stream.next()).resolves.toMatchObject({ ID: id, TTL: '600' });
  });

  test('renewing a lease that was revoked is answered with 0', async () => {
    const id = await world.grant(600);
    using stream = keepAlive();
    stream.send({ ID: id });
    await stream.next();
    await revoke(id);
    stream.send({ ID: id });
    await expect(stream.next()).resolves.toMatchObject({ ID: id, TTL: '0' });
  });

  test('what was sent before the end of requests is answered, then the stream ends well', async () => {
    const id = await world.grant(600);
    using stream = keepAlive();
    stream.send({ ID: id });
    stream.send({ ID: id });
    stream.end();
    await expect(stream.next()).resolves.toMatchObject({ ID: id });
    await expect(stream.next()).resolves.toMatchObject({ ID: id });
    await expect(stream.ended()).resolves.toMatchObject({ code: Code.OK });
  });

  test('a stream that ends without a request ends well', async () => {
    using stream = keepAlive();
    stream.end();
    await expect(stream.ended()).resolves.toMatchObject({ code: Code.OK });
  });

  test('one renewal per stream, many streams at once', async () => {
    const id = await world.grant(600);
    const answers = await Promise.all(
      Array.from({ length: 60 }, async () => {
        using stream = keepAlive();
        stream.send({ ID: id });
        return (await stream.next()).TTL;
      }),
    );
    expect(new Set(answers)).toEqual(new Set(['600']));
  });

  test('a lease that is not renewed expires with its keys, and watchers are notified', async () => {
    const k = world.keys();
    const id = await world.grant(1);
    using stream = world.watch();
    await createWatcher(stream, { ...k.all, prev_kv: true });
    await world.put(k('a'), 'v', { lease: id });
    expect(told(await stream.next())).toEqual(['PUT a=v']);
    const answer = await stream.next();
    expect(told(answer)).toEqual(['DELETE a']);
    expect(answer.events[0]?.prev_kv?.lease).toBe(id);
    await expect(world.value(k('a'))).resolves.toBeUndefined();
    await expect(timeToLive(id)).resolves.toMatchObject({ TTL: '-1' });
    await expectRefusal(world.put(k('b'), 'v', { lease: id }), etcdErrors.leaseNotFound);
  });

  test('a lease that is renewed does not expire', async () => {
    const k = world.keys();
    const id = await world.grant(1);
    await world.put(k('a'), 'v', { lease: id });
    using stream = keepAlive();
    const until = performance.now() + 2500;
    while (performance.now() < until) {
      stream.send({ ID: id });
      await expect(stream.next()).resolves.toMatchObject({ ID: id, TTL: '1' });
      await stream.drain(250);
    }
    await expect(world.value(k('a'))).resolves.toBe('v');
    const gone = await eventually(
      () => world.value(k('a')),
      (value) => value === undefined,
    );
    expect(gone).toBeUndefined();
  });
}
