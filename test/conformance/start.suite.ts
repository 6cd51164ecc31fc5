/** The first call after the start, of each kind: a client that comes at once is served as any other. */
import { expect, test } from 'vitest';
import { type GrpcClient, grpcClient } from '../support/client.ts';
import type { TargetKind } from '../support/target.ts';
import { bytes, createWatcher } from './world.ts';

export function startSuite(kind: TargetKind): void {
  const firstCalls: [string, (client: GrpcClient) => Promise<void>][] = [
    [
      'a write',
      async (client) => {
        await client.call('etcdserverpb.KV/Put', { key: bytes('a'), value: bytes('v') });
      },
    ],
    [
      'a watcher',
      async (client) => {
        using stream = client.stream('etcdserverpb.Watch/Watch');
        await createWatcher(stream, { key: bytes('a') });
      },
    ],
    [
      'a renewal',
      async (client) => {
        using stream = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
        stream.send({ ID: 1 });
        await expect(stream.next()).resolves.toMatchObject({ ID: '1', TTL: '0' });
      },
    ],
    [
      'the member list',
      async (client) => {
        const { members } = await client.call('etcdserverpb.Cluster/MemberList', {});
        expect(members).toHaveLength(1);
      },
    ],
  ];

  for (const [name, call] of firstCalls) {
    test(`${name} is the first thing a client asks for`, async () => {
      // Several attempts, because a call that comes too early may still succeed by chance.
      for (let round = 0; round < 4; round += 1) {
        await using target = await kind.start();
        using client = grpcClient(target.address);
        await call(client);
      }
    });
  }
}
