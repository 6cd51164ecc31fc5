/**
 * The whole proxy in front of an upstream that responds with keys of another tenant: clients receive none of them,
 * and the metric counts each response. The unit tests prove which fields of which messages are checked.
 */
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { type GrpcClient, grpcClient, refusal } from '../support/client.ts';
import { definitions } from '../support/codec.ts';
import { metric } from '../support/exposition.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';

const header = { cluster_id: 1, member_id: 2, revision: 3, raft_term: 4 };
const secret = { key: Buffer.from('t2/secret'), value: Buffer.from('s3cret'), mod_revision: 3 };
const own = { key: Buffer.from('t1/own'), value: Buffer.from('mine'), mod_revision: 2 };

/** How many of these responses were sent. */
let sent = 0;

type Answer = grpc.sendUnaryData<object>;
type Stream = grpc.ServerDuplexStream<object, object>;

const answerWith = (answer: object) => (_call: unknown, reply: Answer) =>
  reply(null, { header, ...answer });
const leak = (answer: object) => (_call: unknown, reply: Answer) => {
  sent += 1;
  reply(null, { header, ...answer });
};

const upstream = new grpc.Server();
const service = (name: string) => definitions[name] as grpc.ServiceDefinition;
upstream.addService(service('etcdserverpb.Maintenance'), {
  Status: answerWith({ version: '3.5.0', leader: 2 }),
});
upstream.addService(service('etcdserverpb.KV'), {
  Range: leak({ kvs: [own, secret], count: 2 }),
  Put: leak({ prev_kv: secret }),
  DeleteRange: leak({ prev_kvs: [own, secret] }),
  Txn: leak({
    responses: [
      { response_range: { kvs: [own] } },
      { response_txn: { responses: [{ response_range: { kvs: [secret] } }] } },
    ],
  }),
});
upstream.addService(service('v3lockpb.Lock'), { Lock: leak({ key: secret.key }) });
upstream.addService(service('v3electionpb.Election'), {
  Campaign: leak({ leader: { name: own.key, key: secret.key, rev: 3 } }),
  Leader: leak({ kv: secret }),
  Observe(stream: Stream) {
    sent += 1;
    stream.write({ header, kv: secret });
  },
});
upstream.addService(service('etcdserverpb.Watch'), {
  Watch(stream: Stream) {
    stream.once('data', () => {
      sent += 1;
      stream.write({ header, watch_id: 0, created: true });
      stream.write({ header, watch_id: 0, events: [{ kv: own, prev_kv: secret }] });
    });
  },
});

let proxy: TestProxy;
let client: GrpcClient;

beforeAll(async () => {
  const port = await new Promise<number>((resolve, reject) => {
    upstream.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  proxy = await startTestProxy({
    endpoints: [`127.0.0.1:${port}`],
    tenants: [{ name: 't1', namespace: 't1/' }],
    settings: { 'admin-addr': '127.0.0.1:0', 'log-level': 'silent', 'max-drain': '200ms' },
  });
  client = grpcClient(proxy.address('t1'));
});

afterAll(async () => {
  client?.[Symbol.dispose]();
  await proxy?.[Symbol.asyncDispose]();
  upstream.forceShutdown();
});

async function violations(): Promise<number> {
  return (await metric(proxy, 'etcd_bulkhead_namespace_violation_total')) ?? Number.NaN;
}

const key = Buffer.from('own');
const unaries = [
  ['etcdserverpb.KV/Range', { key }],
  ['etcdserverpb.KV/Put', { key, prev_kv: true }],
  ['etcdserverpb.KV/DeleteRange', { key, prev_kv: true }],
  ['etcdserverpb.KV/Txn', {}],
  ['v3lockpb.Lock/Lock', { name: key, lease: 1 }],
  ['v3electionpb.Election/Campaign', { name: key, lease: 1 }],
  ['v3electionpb.Election/Leader', { name: key }],
] as const;

test.each(unaries)('%s delivers nothing of it, and is counted', async (name, request) => {
  const before = await violations();
  const { code, details } = await refusal(client.call(name, request));
  expect(code).toBe(Code.INTERNAL);
  expect(details).not.toContain('secret');
  expect(await violations()).toBe(before + 1);
});

test('a watch and an observer deliver nothing of it, end so that clients resume, and are counted', async () => {
  const before = (await violations()) - sent;
  using watch = client.stream('etcdserverpb.Watch/Watch');
  watch.send({ create_request: { key } });
  await expect(watch.next()).resolves.toMatchObject({ created: true });
  expect((await watch.ended()).code).toBe(Code.UNAVAILABLE);
  expect(await watch.drain(0)).toEqual([]);
  using observer = client.stream('v3electionpb.Election/Observe');
  observer.send({ name: key });
  observer.end();
  expect((await observer.ended()).code).toBe(Code.UNAVAILABLE);
  expect(await observer.drain(0)).toEqual([]);
  // A shared watch begins with a read, and is opened again for its client.
  expect(await violations()).toBe(before + sent);
});
