/** What tools request from an etcd over HTTP/1.1 on the client port. The proxy responds as the etcd behind it does. */
import { get, type OutgoingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Code } from '../../src/grpc/status.ts';
import { grpcClient, refusal } from '../support/client.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { EtcdctlRun } from '../support/etcdctl.ts';
import { startTestProxy, type TestProxy } from '../support/proxy.ts';
import { until } from '../support/until.ts';

let etcd: Etcd;
let proxy: TestProxy;

beforeAll(async () => {
  etcd = await startEtcd();
  proxy = await startTestProxy({
    endpoints: [etcd.address],
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'blue', namespace: 'blue/' },
    ],
    settings: { transport: 'native', hold: '500ms', 'max-drain': '200ms' },
  });
  await until('a version', async () => (await ask('/version')).code === 200);
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

interface Got {
  readonly code: number | undefined;
  readonly body: string;
}

function ask(
  path: string,
  address = proxy.address('red'),
  headers: OutgoingHttpHeaders = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    get(`http://${address}${path}`, { headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve({ code: response.statusCode, body }));
    }).on('error', reject);
  });
}

test('/version is etcd’s', async () => {
  expect(await ask('/version')).toEqual(await ask('/version', etcd.address));
});

test.each(['/health', '/health?serializable=true', '/health?exclude=NOSPACE'])(
  '%s is etcd’s, for every tenant',
  async (path) => {
    const own = JSON.parse((await ask(path, etcd.address)).body) as { health: string };
    for (const tenant of ['red', 'blue']) {
      const { code, body } = await ask(path, proxy.address(tenant));
      expect([code, JSON.parse(body)]).toEqual([200, { health: own.health }]);
    }
  },
);

test('the pages of etcd’s own proxy have the same content as those of etcd', async () => {
  expect(await ask('/proxy/health')).toEqual(await ask('/health'));
  const names = (body: string) => body.match(/^process_\w+/gm);
  const own = names((await ask('/proxy/metrics')).body);
  expect(own).toEqual(names((await ask('/metrics')).body));
  expect(own).not.toBeNull();
});

test('etcdctl check datascale finds the memory of the process, and leaves no key of the tenant', async () => {
  const check = ['check', 'datascale', '--load', 's', '--auto-compact'];
  await using run = new EtcdctlRun(proxy.address('red'), check);
  expect(await run.ended(), run.out + run.err).toBe(0);
  expect(run.out).toMatch(/PASS: Approximate system memory used : .* MB/);
  using red = grpcClient(proxy.address('red'));
  const all = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
  expect((await red.call('etcdserverpb.KV/Range', all)).kvs).toEqual([]);
});

test('AuthStatus and Authenticate name the cluster, the proxy and a revision in their headers', async () => {
  using red = grpcClient(proxy.address('red'));
  const { header: read } = await red.call('etcdserverpb.KV/Range', { key: Buffer.from('a') });
  const { header: members } = await red.call('etcdserverpb.Cluster/MemberList', {});
  const status = await red.call('etcdserverpb.Auth/AuthStatus', {});
  expect(status).toMatchObject({ enabled: false, authRevision: '1' });
  expect(status.header).toMatchObject({
    cluster_id: read?.cluster_id,
    member_id: members?.member_id,
    raft_term: read?.raft_term,
  });
  expect(Number(status.header?.revision)).toBeGreaterThan(0);
});

test('the health check of a tenant reads its own key alone, and writes none', async () => {
  using raw = grpcClient(etcd.address);
  const all = { key: Buffer.from('\0'), range_end: Buffer.from('\0') };
  expect((await raw.call('etcdserverpb.KV/Range', all)).kvs).toEqual([]);
});

test('a page that found its way here by another name is sent away', async () => {
  const headers = { host: 'rebound.example:2379' };
  expect((await ask('/health', proxy.address('red'), headers)).code).toBe(421);
  expect((await ask('/health', proxy.address('red'), { host: 'localhost:2379' })).code).toBe(200);
});

test('gRPC goes on beside it, on the same port', async () => {
  using client = grpcClient(proxy.address('red'));
  await client.call('etcdserverpb.KV/Put', { key: Buffer.from('k') });
  expect((await ask('/nothing')).code).toBe(404);
  const { code } = await refusal(client.bytes('/no/Thing', Buffer.alloc(0)));
  expect(code).toBe(Code.UNIMPLEMENTED);
});

// Last, since nothing is left of the etcd.
test('without etcd the health is false, and the proxy says why', async () => {
  await etcd.kill();
  const isSick = async () => (await ask('/health')).code === 503;
  await until('sickness', isSick);
  const { health, reason } = JSON.parse((await ask('/health')).body) as Record<string, string>;
  expect(health).toBe('false');
  expect(reason).toMatch(/^(RAFT NO LEADER|RANGE ERROR:.+)$/);
});
