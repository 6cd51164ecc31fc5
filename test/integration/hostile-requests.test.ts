/**
 * Requests that end an etcd, or might. They are rejected for every client, also when their dangerous part is inside a
 * transaction or beside other fields. Known ones are tested by name. Unknown ones are searched for: a seeded run
 * varies every field of every request, and etcd must stay alive. A failure prints the seed: SEED=… repeats it.
 * HOSTILE_REQUESTS=… sets the number of requests.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Method, methods } from '../../src/etcd/methods.ts';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient, Refused, refusal } from '../support/client.ts';
import { HostileRequests } from '../support/hostile-request.ts';
import { Seeded, seed } from '../support/seeded.ts';
import { type SharedEtcd, startSharedEtcd } from '../support/shared-etcd.ts';
import { slowMessage as message } from '../support/slow-rewriter.ts';

const requestsMax = Number(process.env['HOSTILE_REQUESTS'] ?? 3000);

/** Longer than etcd itself tries. A call that waits for others is left alone sooner. */
const answerWithinMs = 9_000;
const waitMs = 50;
const streamMs = 8;

let shared: SharedEtcd;
let tenant: GrpcClient;
let owner: GrpcClient;

beforeAll(async () => {
  shared = await startSharedEtcd({
    tenants: [
      { name: 'tenant', namespace: 't/' },
      { name: 'owner', namespace: 'o/', role: 'owner' },
    ],
    settings: { hold: '0s' },
  });
  tenant = shared.client('tenant');
  owner = shared.client('owner');
});

afterAll(() => shared?.[Symbol.asyncDispose]());

/** Asks etcd itself; rejects when it is gone. */
async function mustLive(what: string): Promise<void> {
  using direct = grpcClient(shared.etcd.address);
  const asked = direct.call('etcdserverpb.KV/Range', { key: Buffer.from('x') });
  await expect(asked, what).resolves.toBeDefined();
}

const range = (...odd: readonly (readonly [number, bigint])[]) => message([1, 'k'], ...odd);
const inTxn = (request: Uint8Array) => message([2, message([1, request])]);
const nested = (txn: Uint8Array) => message([3, message([4, txn])]);
const alarm = 'etcdserverpb.Maintenance/Alarm';

test.each<[string, string, Uint8Array]>([
  ['a sort target', 'etcdserverpb.KV/Range', range([6, 9n])],
  ['a sort target below zero', 'etcdserverpb.KV/Range', range([6, -1n])],
  ['a sort target that is cut to another', 'etcdserverpb.KV/Range', range([6, 2n ** 32n + 9n])],
  ['a sort target before a good one', 'etcdserverpb.KV/Range', range([6, 9n], [6, 0n])],
  ['a sort target after a good one', 'etcdserverpb.KV/Range', range([6, 0n], [6, 9n])],
  ['a sort order', 'etcdserverpb.KV/Range', range([5, 3n], [6, 1n])],
  ['a sort target in a transaction', 'etcdserverpb.KV/Txn', inTxn(range([6, 9n]))],
  ['a sort target deeper down', 'etcdserverpb.KV/Txn', nested(nested(inTxn(range([6, 9n]))))],
  ['an action on alarms', alarm, message([1, 9n])],
  ['an alarm of no kind', alarm, message([1, 1n], [2, 1n])],
  ['an alarm of a kind that is cut to none', alarm, message([1, 1n], [3, -(2n ** 63n)])],
])('%s that does not exist: %s', async (_what, name, request) => {
  for (const client of [tenant, owner]) {
    const { code } = await refusal(client.bytes(`/${name}`, Buffer.from(request)));
    expect([Code.INVALID_ARGUMENT, Code.PERMISSION_DENIED]).toContain(code);
    await mustLive(name);
  }
});

/** They do what they say: remove members, or hold up everything for a while. */
const harmful =
  /Cluster\/Member(Add|Remove|Update|Promote)|Defragment|Snapshot|^etcdserverpb\.Auth/;

/** Sends it and cancels the call. Rejects if a response is due and none arrives. */
async function send(client: GrpcClient, m: Method, request: Uint8Array): Promise<void> {
  const bytes = Buffer.from(request);
  if (m.requestStream || m.responseStream) {
    const stream = client.byteStream(m.path);
    stream.send(bytes);
    await stream.next(streamMs).catch(() => {});
    stream.cancel();
    return;
  }
  const waits = m.waits && m.service !== 'etcdserverpb.KV';
  try {
    await client.bytes(m.path, bytes, { timeoutMs: waits ? waitMs : answerWithinMs });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const isLost = error.code === Code.UNAVAILABLE || error.code === Code.INTERNAL;
    if (isLost || (error.code === Code.DEADLINE_EXCEEDED && !waits)) throw error;
  }
}

test('no request that the proxy lets through ends etcd, or hangs it', async () => {
  const random = new Seeded(seed);
  const hostile = new HostileRequests(random);
  const tried = methods.filter(({ name }) => !harmful.test(name));
  const txn = tried.filter(({ rpc }) => rpc === 'Txn' || rpc === 'Watch');
  for (let i = 0; i < requestsMax; i++) {
    const m = random.pick(random.chance(0.3) ? txn : tried);
    const request = hostile.request(m.name);
    const client = random.chance(0.5) ? tenant : owner;
    const what = `SEED=${seed}: ${m.name} ${Buffer.from(request.subarray(0, 2000)).toString('hex')}`;
    try {
      await send(client, m, request);
    } catch (error) {
      throw new Error(what, { cause: error });
    }
    if (m.name === alarm) await disarm();
    if (m.responseStream || i % 50 === 0) await mustLive(what);
  }
}, 300_000);

/** With an alarm raised etcd would refuse most of what follows. */
async function disarm(): Promise<void> {
  using direct = grpcClient(shared.etcd.address);
  const { alarms } = await direct.call(alarm, {});
  for (const raised of alarms) await direct.call(alarm, { action: 'DEACTIVATE', ...raised });
}
