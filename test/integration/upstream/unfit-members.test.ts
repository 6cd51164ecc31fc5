/** Endpoints that are connected and still not fit for calls: members of another cluster, learners, and a cluster that is new. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { memberEnvironment, memberFlags } from '../../../src/cli/etcd-member.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { etcdBinary, startEtcd, startMembers } from '../../support/etcd.ts';
import { freePorts } from '../../support/ports.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { eventually, until } from '../../support/until.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

let owned = new AsyncDisposableStack();

afterEach(async () => {
  await owned.disposeAsync();
  owned = new AsyncDisposableStack();
});

async function proxyTo(...endpoints: readonly string[]): Promise<GrpcClient> {
  const tenants = [{ name: 'game', namespace: 'game/' }];
  const proxy = owned.use(await startTestProxy({ endpoints, tenants }));
  return owned.use(grpcClient(proxy.address('game')));
}

const put = (client: GrpcClient, key: string, value = '') =>
  client.call('etcdserverpb.KV/Put', { key: bytes(key), value: bytes(value) });

test('a member of another cluster receives no calls', async () => {
  const etcd = owned.use(await startEtcd());
  const other = owned.use(await startEtcd());
  const client = await proxyTo(etcd.address, other.address);
  const [direct, stranger] = [etcd, other].map(({ address }) => owned.use(grpcClient(address)));
  const everything = { key: bytes('\0'), range_end: bytes('\0') };
  const count = async (of: GrpcClient | undefined) =>
    Number((await of?.call('etcdserverpb.KV/Range', everything))?.count);
  // Until the first probe has ended, the proxy cannot tell them apart.
  await sleep(300);
  for (let i = 0; i < 20; i++) await put(client, `${i}`);
  expect([await count(direct), await count(stranger)].toSorted((a, b) => a - b)).toEqual([0, 20]);
});

test('a compaction ends with the cluster that it belongs to', async () => {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const plan = {
    name: 'etcd',
    clientPort,
    peerPort,
    initialCluster: `etcd=http://127.0.0.1:${peerPort}`,
    heartbeatMs: 10,
    electionMs: 100,
  };
  const start = async (token: string) => {
    const [member] = await startMembers([{ ...plan, args: [`--initial-cluster-token=${token}`] }]);
    if (member === undefined) throw new Error('no member');
    return owned.use(member);
  };
  const first = await start('first');
  const client = await proxyTo(first.address);
  for (const value of ['1', '2', '3', '4', '5', '6']) await put(client, 'k', value);
  await client.call('etcdserverpb.KV/Compact', { revision: '6' });
  await first[Symbol.asyncDispose]();

  await start('second');
  const revisions = async () => {
    const { header } = await put(client, 'k', 'new');
    return Number(header?.revision);
  };
  await until('put in the new cluster', async () => {
    const revision = await revisions().catch(() => Number.NaN);
    return revision > 1;
  });
  await put(client, 'k', 'new');
  const at = { key: bytes('k'), revision: '2' };
  const read = await eventually(
    () => client.call('etcdserverpb.KV/Range', at).catch((error: Error) => error),
    (result) => !(result instanceof Error),
  );
  expect(read).toMatchObject({ kvs: [{ value: bytes('new') }] });
  const watch = owned.use(client.stream('etcdserverpb.Watch/Watch'));
  watch.send({ create_request: { key: bytes('k'), start_revision: '2' } });
  expect(await watch.next()).toMatchObject({ created: true, canceled: false });
  expect((await watch.next()).events[0]?.kv.mod_revision).toBe('2');
});

test('a learner receives no calls while there is a voter', async () => {
  const voter = owned.use(await startEtcd());
  const direct = owned.use(grpcClient(voter.address));
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const learner = owned.use(
    await startLearner(direct, voter.name, voter.peerUrl, clientPort, peerPort),
  );
  const client = await proxyTo(voter.address, learner.address);
  const refusals: unknown[] = [];
  for (let i = 0; i < 60; i++) {
    await put(client, `${i}`).catch((error: unknown) => refusals.push(error));
    const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 });
    await client.call('etcdserverpb.Lease/LeaseRevoke', { ID });
  }
  expect(refusals).toEqual([]);
});

interface Learner extends AsyncDisposable {
  readonly address: string;
}

/** Adds a learner to the cluster of `direct`, starts it, and waits until it answers for its status. */
async function startLearner(
  direct: GrpcClient,
  voterName: string,
  voterPeerUrl: string,
  clientPort: number,
  peerPort: number,
): Promise<Learner> {
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  await direct.call('etcdserverpb.Cluster/MemberAdd', { peerURLs: [peerUrl], isLearner: true });
  const directory = new TemporaryDirectory('learner');
  const address = `127.0.0.1:${clientPort}`;
  const flags = memberFlags({
    name: 'learner',
    dataDir: directory.path,
    clientUrl: `http://${address}`,
    peerUrl,
    initialCluster: `${voterName}=${voterPeerUrl},learner=${peerUrl}`,
  });
  const child: ChildProcess = spawn(etcdBinary, [...flags, '--initial-cluster-state=existing'], {
    stdio: 'ignore',
    env: memberEnvironment(),
  });
  using client = grpcClient(address);
  const isLearner = () =>
    client.call('etcdserverpb.Maintenance/Status', {}, { timeoutMs: 500 }).then(
      (status) => status.isLearner,
      () => false,
    );
  await until('status of the learner', isLearner);
  return {
    address,
    async [Symbol.asyncDispose]() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
      directory[Symbol.dispose]();
    },
  };
}
