/**
 * The owner of the cluster, beside a tenant: it may do what was given to it, to the cluster as a whole, and still has a
 * namespace like everybody, out of which keys and leases do not lead.
 */
import { expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { grpcClient, refusal } from '../support/client.ts';
import { startEtcd } from '../support/etcd.ts';
import { startTestProxy } from '../support/proxy.ts';
import { covered, formsOf, rangeOf } from './forms.ts';
import { grpcLink, Intruder } from './intruder.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

test('an owner acts on the cluster, within what it was given, and on keys of its own', async () => {
  await using etcd = await startEtcd();
  await using proxy = await startTestProxy({
    endpoints: [etcd.address],
    tenants: [
      { name: 'tenant', namespace: 't10/' },
      { name: 'owner', namespace: 't1/', role: 'owner' },
      {
        name: 'clerk',
        namespace: 't2/',
        role: 'owner',
        'owner-methods': ['Defragment'],
      },
    ],
    settings: { transport: 'native', 'max-drain': '200ms' },
  });
  using tenant = grpcClient(proxy.address('tenant'));
  using owner = grpcClient(proxy.address('owner'));
  using clerk = grpcClient(proxy.address('clerk'));
  using direct = grpcClient(etcd.address);
  const put = { key: bytes('a'), value: bytes('secret') };
  const { header } = await tenant.call('etcdserverpb.KV/Put', put);
  await tenant.call('etcdserverpb.KV/Put', put);
  await owner.call('etcdserverpb.KV/Put', { key: bytes('own'), value: bytes('mine') });

  await owner.call('etcdserverpb.Maintenance/Defragment', {});
  await owner.call('etcdserverpb.Maintenance/HashKV', {});
  const { members } = await owner.call('etcdserverpb.Cluster/MemberList', {});
  expect(members.flatMap(({ clientURLs }) => clientURLs)).toEqual([etcd.clientUrl]);
  const status = await owner.call('etcdserverpb.Maintenance/Status', {});
  expect(Number(status.dbSize)).toBeGreaterThan(0);
  const revision = Number(header?.revision) + 1;
  await owner.call('etcdserverpb.KV/Compact', { revision });
  const past = { key: bytes('t10/a'), revision: revision - 1 };
  expect((await refusal(direct.call('etcdserverpb.KV/Range', past))).code).toBe(Code.OUT_OF_RANGE);

  await clerk.call('etcdserverpb.Maintenance/Defragment', {});
  const denied = { code: Code.PERMISSION_DENIED, details: 'etcdserver: permission denied' };
  const hash = clerk.call('etcdserverpb.Maintenance/HashKV', {});
  expect(await refusal(hash)).toMatchObject(denied);

  using hands = new Intruder(grpcLink(proxy.address('owner')));
  const bounds = ['\0', 'a', 't10/', 't10/a', '\xff'];
  for (const form of formsOf(bounds, ['', '\0', '\xff', 't2'])) {
    const heard = await hands.ask('etcdserverpb.KV/Range', rangeOf(form));
    expect(heard.textAt(2, 1), JSON.stringify(form)).toEqual(covered(form, ['own']));
    await hands.ask('etcdserverpb.KV/DeleteRange', rangeOf(form));
    await owner.call('etcdserverpb.KV/Put', { key: bytes('own'), value: bytes('mine') });
  }
  expect((await tenant.call('etcdserverpb.KV/Range', put)).kvs).toMatchObject([
    { value: put.value, version: '2' },
  ]);
});
