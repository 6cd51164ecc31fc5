/**
 * Tens of thousands of cancelled calls, as honest clients make them (Go's KeepAliveOnce resets a stream for every
 * renewal): the connection and its watch stay open, and other clients are not affected. CANCELLED_CALLS=… sets the
 * number.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { collecting, observe } from '../../soak/observation.ts';
import { Bystander } from '../../support/bystander.ts';
import { grpcClient } from '../../support/client.ts';
import { encodeRequest } from '../../support/codec.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { FrameClient } from '../../support/frame-client.ts';
import { Sidecar } from '../../support/sidecar.ts';
import { until } from '../../support/until.ts';

const cancelledCalls = Number(process.env['CANCELLED_CALLS'] ?? 100_000);
const callsPerBatch = 500;
const batchesPerEvent = 10;
/** In use, once the garbage is collected: what the engine keeps for a connection is bounded. */
const heldGrowthMibMax = 8;

const watchPath = '/etcdserverpb.Watch/Watch';
const watched = Buffer.from('watched');
/** WatchRequest{create_request{key: "watched"}}, LeaseKeepAliveRequest{ID: 7}. */
const createWatch = Buffer.concat([Buffer.from([0x0a, 9, 0x0a, 7]), watched]);
const keepAlive = Buffer.from([0x08, 7]);
const key = Buffer.from('k');
const kinds = [
  {
    path: '/etcdserverpb.KV/Range',
    message: encodeRequest('etcdserverpb.KV/Range', { key }),
    end: true,
  },
  { path: '/etcdserverpb.Lease/LeaseKeepAlive', message: keepAlive, end: false },
  { path: watchPath, message: createWatch, end: false },
] as const;

let etcd: Etcd;
let sidecar: Sidecar;
let bystander: Bystander;

beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.[Symbol.asyncDispose]());
beforeEach(async () => {
  sidecar = await Sidecar.startWith(
    collecting,
    ...[`--endpoints=${etcd.address}`, '--namespace=game/', '--transport=native'],
    '--drain-window=0s',
  );
  bystander = new Bystander(sidecar.address);
});
afterEach(async () => {
  await bystander?.[Symbol.asyncDispose]();
  await sidecar?.[Symbol.asyncDispose]();
});

async function held(): Promise<number> {
  const { heapMib, externalMib } = await observe(sidecar);
  return heapMib + externalMib;
}

test(`${cancelledCalls} cancelled calls on a connection leave its watch open, and other clients are not affected`, async () => {
  using writer = grpcClient(sidecar.address);
  await using frames = await FrameClient.connect(sidecar.address);
  frames.openWindow();
  frames.headers(1, watchPath);
  frames.message(1, createWatch, { end: false });
  await until('the response to the creation of a watch', () => frames.messages(1) === 1);
  await bystander.unharmed();
  const heldBefore = await held();

  let events = 0;
  let stream = 1;
  let underWay: number[] = [];
  for (let done = 0; done < cancelledCalls; done += callsPerBatch) {
    const taken = underWay;
    underWay = [];
    // Half of them are taken back in the write that makes them, the others when they are well under way.
    await frames.batch(() => {
      for (let i = 0; i < callsPerBatch; i++) {
        stream += 2;
        const kind = kinds[i % kinds.length] ?? kinds[0];
        frames.headers(stream, kind.path);
        frames.message(stream, kind.message, kind);
        if (i % 2 === 0) frames.cancel(stream);
        else underWay.push(stream);
      }
      for (const each of taken) frames.cancel(each);
    });
    if ((done / callsPerBatch) % batchesPerEvent !== 0) continue;
    await writer.call('etcdserverpb.KV/Put', { key: watched }, { timeoutMs: 30_000 });
    events += 1;
    await until('the event', () => frames.messages(1) === 1 + events);
  }
  await frames.batch(() => {
    for (const each of underWay) frames.cancel(each);
  });

  expect(frames.isServed).toBe(true);
  // This connection's and the bystander's.
  await until('end of all other watches', async () => {
    return (await observe(sidecar)).watchStreams === 2;
  });
  await writer.call('etcdserverpb.KV/Put', { key: watched });
  await until('an event after it all', () => frames.messages(1) === 2 + events);
  await bystander.unharmed();
  expect((await held()) - heldBefore).toBeLessThan(heldGrowthMibMax);
  expect(sidecar.printed).not.toContain('"event":"fault"');
});

test('renewals with a stream each, far more than 33 a second, leave the watch on their connection alive', async () => {
  using client = grpcClient(sidecar.address);
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key: watched } });
  await watch.next();
  const { ID } = await client.call('etcdserverpb.Lease/LeaseGrant', { TTL: 600 });
  const renewals = 3_000;
  let begun = 0;
  const renew = async () => {
    while (begun < renewals) {
      begun += 1;
      using stream = client.stream('etcdserverpb.Lease/LeaseKeepAlive');
      stream.send({ ID });
      expect((await stream.next()).TTL).toBe('600');
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: 8 }, renew));
  const perSecond = renewals / ((performance.now() - startedAt) / 1_000);
  expect(perSecond).toBeGreaterThan(33);
  await client.call('etcdserverpb.KV/Put', { key: watched });
  const { events } = await watch.next();
  expect(events[0]?.kv.key).toEqual(watched);
  await bystander.unharmed();
});
