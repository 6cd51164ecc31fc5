/** A mirror whose source is restored from a backup: the same cluster ID, and revisions that begin earlier. */
import { expect, test } from 'vitest';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import {
  type Etcd,
  type MemberPlan,
  startEtcd,
  startMembers,
  withFreePorts,
} from '../../support/etcd.ts';
import { Program } from '../../support/program.ts';
import { stored, transfer } from '../../support/transfer.ts';
import { until } from '../../support/until.ts';

const put = (client: GrpcClient, key: string) =>
  client.call('etcdserverpb.KV/Put', { key: Buffer.from(key), value: Buffer.from('v') });

const revisionOf = async (client: GrpcClient) =>
  Number((await client.call('etcdserverpb.KV/Range', { key: Buffer.from('x') })).header?.revision);

const keys = async (client: GrpcClient) =>
  (await stored(client, 'a/')).map(({ key }) => key.toString());

const mirrorOf = (from: Etcd, to: Etcd) => [
  ...['mirror', `--endpoints=${from.address}`, '--namespace=a/'],
  ...[`--dest-endpoints=${to.address}`, '--dest-namespace=a/'],
];

/** A member without data. The ID of its cluster is a function of the ports. */
async function startSource([clientPort, peerPort]: readonly [number, number]): Promise<Etcd> {
  const plan: MemberPlan = {
    ...{ name: 'source', clientPort, peerPort, args: [] },
    initialCluster: `source=http://127.0.0.1:${peerPort}`,
    ...{ heartbeatMs: 10, electionMs: 100 },
  };
  const [member] = await startMembers([plan]);
  return member as Etcd;
}

test('a source at a lower revision than the position is refused, at the start and while it is followed, unless it is forced', async () => {
  await using destination = await startEtcd();
  using to = grpcClient(destination.address);
  let ports: readonly [number, number] = [0, 0];
  await using lost = await withFreePorts(2, ([client = 0, peer = 0]) => {
    ports = [client, peer];
    return startSource(ports);
  });
  {
    using from = grpcClient(lost.address);
    for (let i = 0; i < 20; i += 1) await put(from, `a/${i}`);
  }
  using program = new Program(mirrorOf(lost, destination));
  await until('the copy', async () => (await keys(to)).length === 20);
  await program.printed('out', /"event":"following"/);
  await lost[Symbol.asyncDispose]();
  await using source = await startSource(ports);
  using from = grpcClient(source.address);
  await put(from, 'a/restored');
  expect(await program.ended).toEqual([1, null]);
  const refusal = /the source is at revision \d+, and the destination has its changes up to \d+/;
  expect(program.out).toMatch(refusal);

  const before = await revisionOf(to);
  const { code, out } = await transfer([...mirrorOf(source, destination), '--once']);
  expect([code, out.toString()]).toEqual([1, expect.stringMatching(refusal)]);
  expect(out.toString()).toContain('--force');
  expect(await revisionOf(to)).toBe(before);
  expect(await keys(to)).toHaveLength(20);

  const forced = [...mirrorOf(source, destination), '--once', '--force'];
  expect(await transfer(forced)).toMatchObject({ code: 0 });
  expect(await keys(to)).toEqual(['restored']);
});
