/**
 * proto/ against a real etcd: messages with every field set are accepted and mean what the definitions say, and
 * responses are read without a byte left over. It runs against etcd alone, because it tests the project's reading of
 * the API.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import { encodeRequest, reencode } from '../support/codec.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import type { UnaryMethods } from '../support/messages.ts';

describe('the definitions, to a real etcd', () => {
  let etcd: Etcd;
  let client: GrpcClient;

  beforeAll(async () => {
    etcd = await startEtcd();
    client = grpcClient(etcd.address);
  });

  afterAll(async () => {
    client[Symbol.dispose]();
    await etcd[Symbol.asyncDispose]();
  });

  /**
   * Calls, and expects that decoding the response and encoding it again gives the same bytes: it has no unknown
   * field.
   */
  async function call<Name extends keyof UnaryMethods>(
    name: Name,
    request: UnaryMethods[Name][0],
  ): Promise<UnaryMethods[Name][1]> {
    const answer = await client.bytes(`/${name}`, encodeRequest(name, request));
    expect(reencode(name, answer).equals(answer)).toBe(true);
    return client.call(name, request);
  }

  const key = Buffer.from('key');
  const everything = { key: Buffer.from([0]), range_end: Buffer.from([0]) };

  test('a put with every field, read back with every field', async () => {
    await call('etcdserverpb.Lease/LeaseLeases', {});
    await client.call('etcdserverpb.Lease/LeaseGrant', { ID: 42, TTL: 600 });
    await client.call('etcdserverpb.KV/Put', { key, value: Buffer.from('v'), lease: 42 });
    const put = await call('etcdserverpb.KV/Put', {
      key,
      prev_kv: true,
      ignore_value: true,
      lease: 42,
    });
    expect(put.prev_kv).toMatchObject({ key, lease: '42' });
    const range = await call('etcdserverpb.KV/Range', {
      ...everything,
      limit: 5,
      revision: put.header?.revision ?? 0,
      sort_order: 'DESCEND',
      sort_target: 'VALUE',
      serializable: true,
      keys_only: true,
      min_mod_revision: 1,
      max_mod_revision: 1_000_000,
      min_create_revision: 1,
      max_create_revision: 1_000_000,
    });
    expect(range).toMatchObject({ count: '1', more: false });
    expect(range.kvs[0]).toMatchObject({ key, lease: '42' });
    await expect(
      call('etcdserverpb.KV/Range', { ...everything, count_only: true }),
    ).resolves.toMatchObject({ count: '1', kvs: [] });
    const kept = await call('etcdserverpb.KV/Put', {
      key,
      value: Buffer.from('w'),
      ignore_lease: true,
    });
    expect(kept.prev_kv).toBeNull();
    await expect(call('etcdserverpb.KV/Range', { key })).resolves.toMatchObject({
      kvs: [{ value: Buffer.from('w'), lease: '42' }],
    });
  });

  test('a transaction with every kind of condition and operation', async () => {
    await client.call('etcdserverpb.KV/Put', { key: Buffer.from('other'), value: key });
    const answer = await call('etcdserverpb.KV/Txn', {
      compare: [
        { key, target: 'VERSION', result: 'GREATER', version: 0 },
        { key, target: 'CREATE', result: 'NOT_EQUAL', create_revision: 0 },
        { key, target: 'MOD', result: 'LESS', mod_revision: 1_000_000 },
        { key, target: 'VALUE', result: 'NOT_EQUAL', value: Buffer.from('nothing') },
        { key, target: 'LEASE', result: 'LESS', lease: 1000 },
        { ...everything, target: 'VERSION', result: 'GREATER', version: 0 },
      ],
      success: [
        { request_range: everything },
        { request_put: { key, value: key, prev_kv: true } },
        {
          request_delete_range: {
            key: Buffer.from('x'),
            range_end: Buffer.from('y'),
            prev_kv: true,
          },
        },
        { request_txn: { success: [{ request_range: { key } }] } },
      ],
      failure: [{ request_range: { key } }],
    });
    expect(answer.succeeded).toBe(true);
    expect(answer.responses.map((op) => op.response)).toEqual([
      'response_range',
      'response_put',
      'response_delete_range',
      'response_txn',
    ]);
  });

  test('a deletion, a compaction and the responses about them', async () => {
    const at = (await client.call('etcdserverpb.KV/Range', { key })).header?.revision ?? 0;
    const removed = await call('etcdserverpb.KV/DeleteRange', { ...everything, prev_kv: true });
    expect(removed.header?.revision).not.toBe(at);
    const compacted = await client.call('etcdserverpb.KV/Compact', {
      revision: at,
      physical: true,
    });
    expect(compacted.header?.cluster_id).not.toBe('0');
    const { hash } = await call('etcdserverpb.Maintenance/HashKV', { revision: 0 });
    expect(hash).toBeGreaterThan(0);
  });

  test('leases with every field', async () => {
    const granted = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 600, ID: 77 });
    expect(granted).toMatchObject({ ID: '77', TTL: '600', error: '' });
    await client.call('etcdserverpb.KV/Put', { key, lease: 77 });
    await expect(
      call('etcdserverpb.Lease/LeaseTimeToLive', { ID: 77, keys: true }),
    ).resolves.toMatchObject({ ID: '77', grantedTTL: '600', keys: [key] });
    const { leases } = await call('etcdserverpb.Lease/LeaseLeases', {});
    expect(leases.map(({ ID }) => ID)).toContain('77');
    await call('etcdserverpb.Lease/LeaseTimeToLive', { ID: 1 });
    await client.call('etcdserverpb.Lease/LeaseRevoke', { ID: 77 });
  });

  test('a watcher with every field', async () => {
    const now = Number((await client.call('etcdserverpb.KV/Range', { key })).header?.revision);
    using stream = client.stream('etcdserverpb.Watch/Watch');
    stream.send({
      create_request: {
        ...everything,
        start_revision: now + 1,
        progress_notify: true,
        filters: ['NOPUT'],
        prev_kv: true,
        watch_id: 9,
        fragment: true,
      },
    });
    await expect(stream.next()).resolves.toMatchObject({ created: true, watch_id: '9' });
    await client.call('etcdserverpb.KV/Put', { key, value: key });
    await client.call('etcdserverpb.KV/DeleteRange', { key });
    await expect(stream.next()).resolves.toMatchObject({
      watch_id: '9',
      events: [{ type: 'DELETE', kv: { key }, prev_kv: { key, value: key } }],
    });
    stream.send({ progress_request: {} });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '-1' });
    stream.send({ cancel_request: { watch_id: 9 } });
    await expect(stream.next()).resolves.toMatchObject({ watch_id: '9', canceled: true });
  });

  test('members, status, alarms and users', async () => {
    const { members } = await call('etcdserverpb.Cluster/MemberList', { linearizable: true });
    expect(members[0]).toMatchObject({ name: etcd.name, peerURLs: [etcd.peerUrl] });
    const status = await call('etcdserverpb.Maintenance/Status', {});
    expect(status.leader).toBe(members[0]?.ID);
    await expect(call('etcdserverpb.Maintenance/Alarm', { action: 'GET' })).resolves.toMatchObject({
      alarms: [],
    });
    await expect(call('etcdserverpb.Auth/UserList', {})).resolves.toMatchObject({ users: [] });
    await expect(call('grpc.health.v1.Health/Check', {})).resolves.toEqual({ status: 'SERVING' });
  });
});
