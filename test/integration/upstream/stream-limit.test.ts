/** etcd permits few streams per connection (`--max-concurrent-streams`). No call hangs for that reason. */
import { beforeEach, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { type GrpcClient, grpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { startTestProxy } from '../../support/proxy.ts';

const bytes = (text: string): Buffer => Buffer.from(text);
const streamsMax = 10;
/** Connections per channel class, see upstream/channel-group.ts. */
const connectionsMax = 16;

let owned: AsyncDisposableStack;
let etcd: Etcd;
let client: GrpcClient;

beforeEach(async () => {
  owned = new AsyncDisposableStack();
  etcd = owned.use(await startEtcd({ args: [`--max-concurrent-streams=${streamsMax}`] }));
  const proxy = owned.use(
    await startTestProxy({
      endpoints: [etcd.address],
      tenants: [{ name: 'game', namespace: 'game/' }],
      // Each stream of a client is a stream at etcd.
      settings: { 'share-watches': false, 'share-keepalives': false },
    }),
  );
  client = owned.use(grpcClient(proxy.address('game')));
  return () => owned.disposeAsync();
});

const put = (key: string) => client.call('etcdserverpb.KV/Put', { key: bytes(key) });

function watch(key: string) {
  const stream = owned.use(client.stream('etcdserverpb.Watch/Watch'));
  stream.send({ create_request: { key: bytes(key) } });
  return stream;
}

describe('with more streams than one connection may have', () => {
  test('all watches are created and receive their events', async () => {
    const watches = Array.from({ length: 100 }, (_, i) => watch(`${i}`));
    for (const each of watches) expect(await each.next()).toMatchObject({ created: true });
    for (const i of watches.keys()) await put(`${i}`);
    for (const each of watches) expect((await each.next()).events).toHaveLength(1);
  });

  test('all leases are kept alive', async () => {
    for (let i = 0; i < 30; i++) {
      const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 60 });
      const stream = owned.use(client.stream('etcdserverpb.Lease/LeaseKeepAlive'));
      stream.send({ ID });
      expect(await stream.next()).toMatchObject({ ID, TTL: '60' });
    }
  });

  test('puts go on while 100 clients wait for locks', async () => {
    await client.call('v3lockpb.Lock/Lock', { name: bytes('l') });
    const waiting = Array.from({ length: 100 }, () =>
      client.call('v3lockpb.Lock/Lock', { name: bytes('l') }).catch(() => {}),
    );
    for (let i = 0; i < 50; i++) await put(`${i}`);
    expect(waiting).toHaveLength(100);
  });
});

test('beyond all connections a stream is refused within a second or two, and one that ends makes room', async () => {
  const most = streamsMax * connectionsMax;
  const watches = Array.from({ length: most }, () => watch('k'));
  for (const each of watches) expect(await each.next()).toMatchObject({ created: true });
  const beganMs = performance.now();
  const refused = await watch('k').ended();
  expect(refused).toMatchObject({
    code: Code.RESOURCE_EXHAUSTED,
    details: 'etcdserver: too many requests',
  });
  expect(refused.trailers.get('etcd-bulkhead-reason')).toEqual(['stream-limit']);
  expect(performance.now() - beganMs).toBeLessThan(2_000);
  const late = watch('k');
  watches[0]?.cancel();
  expect(await late.next()).toMatchObject({ created: true });
});
