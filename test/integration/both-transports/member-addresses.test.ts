/**
 * MemberList names an address that the client can dial: clients that sync their endpoints, as etcd's own do, use nothing else
 * from then on. Each client here does so: it asks, and then works with the addresses that it was given.
 */
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger } from '../../../src/observe/logger.ts';
import { startProxy } from '../../../src/proxy/proxy.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { GrpcClient } from '../../support/client.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { JsonClient } from '../../support/json-client.ts';
import { loadedConfig } from '../../support/loaded-config.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const transport = process.env['ETCD_BULKHEAD_TRANSPORT'] ?? 'native';
/** Only the transport native serves JSON. */
const hasJson = transport === 'native';

let etcd: Etcd;
const directory = new TemporaryDirectory('member-addresses');
const authority = new CertificateAuthority();

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  directory[Symbol.dispose]();
  authority[Symbol.dispose]();
  await etcd?.[Symbol.asyncDispose]();
});

async function listening(...lines: string[]) {
  const config = await loadedConfig(
    `transport: ${transport}`,
    ...['log-level: error', 'admin-addr: ""', 'min-drain: 0s', 'drain-window: 0s'],
    ...['max-drain: 100ms', ...lines],
  );
  const endpoints = config.endpoints.map((each) => ({ ...each, address: address(etcd.address) }));
  const proxy = await startProxy({ ...config, endpoints }, { logger: createLogger('error') });
  return {
    addresses: proxy.addresses,
    ports: proxy.addresses.map((each) => Number(each.slice(each.lastIndexOf(':') + 1))),
    [Symbol.asyncDispose]: async () => void (await proxy.drain()),
  };
}

function address(text: string) {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}

/** The addresses that a client gets, after it has worked with each of them. */
async function synced(dialed: string, tls = credentials.createInsecure()): Promise<string[]> {
  using client = new GrpcClient(dialed, tls);
  const { members } = await client.call('etcdserverpb.Cluster/MemberList', {});
  const urls = members.flatMap(({ clientURLs }) => clientURLs);
  for (const url of urls) {
    using next = new GrpcClient(url.replace(/^https?:\/\//, ''), tls);
    await next.call('etcdserverpb.KV/Put', { key: Buffer.from('k'), value: Buffer.from('v') });
  }
  return urls;
}

test.each([
  ['0.0.0.0:0', '127.0.0.1'],
  ['0.0.0.0:0', 'localhost'],
  ['"[::]:0"', '[::1]'],
  ['"[::]:0"', '127.0.0.1'],
  ['":0"', 'localhost'],
  ['"[::1]:0"', '[::1]'],
  ['127.0.0.2:0', '127.0.0.2'],
])('a listener on %s is named as the client has dialed it: %s', async (listener, host) => {
  await using proxy = await listening(`listen-addr: ${listener}`);
  const dialed = `${host}:${proxy.ports[0]}`;
  // grpc-js dials one address of a name; ::1 if it is the first one.
  expect(await synced(dialed)).toEqual([`http://${dialed}`]);
});

test.each(['0.0.0.0', '[::]'])('a client that dials %s gets an address', async (host) => {
  await using proxy = await listening(`listen-addr: "[::]:0"`);
  const [url = ''] = await synced(`${host}:${proxy.ports[0]}`);
  expect(url).toMatch(/^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
});

test('clients of several listeners get the one that they use', async () => {
  const socket = join(directory.path, 'tenant.sock');
  await using proxy = await listening(
    'tenants: [{ name: a, namespace: a/ }]',
    `listeners: [${['0.0.0.0:0', '127.0.0.3:0', `unix://${socket}`].map((each) => `{ address: "${each}", tenant: a }`).join()}]`,
  );
  const [all, one] = proxy.ports;
  expect(await synced(`127.0.0.9:${all}`)).toEqual([`http://127.0.0.9:${all}`]);
  expect(await synced(`127.0.0.3:${one}`)).toEqual([`http://127.0.0.3:${one}`]);
  expect(await synced(`unix:${socket}`)).toEqual([`unix://${socket}`]);
});

test('behind a Service, clients get the Service and not the pod', async () => {
  await using proxy = await listening('listen-addr: 127.0.0.4:0');
  const service = createServer((socket) => {
    const behind = connect(proxy.ports[0] ?? 0, '127.0.0.4');
    socket.pipe(behind).pipe(socket);
    for (const each of [socket, behind]) each.on('error', () => each.destroy());
  });
  await new Promise<void>((resolve) => {
    service.listen(0, '127.0.0.1', resolve);
  });
  const { port } = service.address() as { port: number };
  try {
    expect(await synced(`localhost:${port}`)).toEqual([`http://localhost:${port}`]);
  } finally {
    service.close();
  }
});

test('with TLS, clients get a name that the certificate is valid for', async () => {
  const server = authority.issue({ name: '/CN=server', alternativeNames: 'DNS:localhost' });
  const files = [`cert-file: ${server.certificateFile}`, `key-file: ${server.keyFile}`];
  await using proxy = await listening('listen-addr: ":0"', ...files);
  const dialed = `localhost:${proxy.ports[0]}`;
  const tls = credentials.createSsl(authority.certificate);
  expect(await synced(dialed, tls)).toEqual([`https://${dialed}`]);
  const { code, out, err } = await etcdctl(`https://${dialed}`, [
    ...['endpoint', 'health', '--cluster', `--cacert=${authority.certificateFile}`],
  ]);
  expect([code, out + err]).toEqual([0, expect.stringContaining(`https://${dialed} is healthy`)]);
});

test('etcdctl endpoint health --cluster reaches a listener on all addresses', async () => {
  await using proxy = await listening('listen-addr: 0.0.0.0:0');
  const dialed = `127.0.0.1:${proxy.ports[0]}`;
  const { code, out, err } = await etcdctl(dialed, ['endpoint', 'health', '--cluster']);
  expect([code, out + err]).toEqual([0, expect.stringContaining(`http://${dialed} is healthy`)]);
});

test.runIf(hasJson)('JSON clients get the address that they have dialed', async () => {
  await using proxy = await listening('listen-addr: 0.0.0.0:0');
  for (const host of ['127.0.0.1', '127.0.0.9', 'localhost']) {
    const dialed = `${host}:${proxy.ports[0]}`;
    const client = new JsonClient(`http://${dialed}`);
    const { members } = await client.call('cluster/member/list', {});
    const [url, ...others] = members.flatMap((each: { clientURLs: string[] }) => each.clientURLs);
    expect([url, others]).toEqual([`http://${dialed}`, []]);
    await new JsonClient(url).call('kv/put', { key: 'aw==' });
  }
});

test('configured URLs take the place of what clients dial', async () => {
  await using proxy = await listening(
    'listen-addr: 127.0.0.1:0',
    'advertise-client-url: ["https://a.example:1", "https://b.example:2"]',
  );
  using client = new GrpcClient(`127.0.0.1:${proxy.ports[0]}`);
  const { members } = await client.call('etcdserverpb.Cluster/MemberList', {});
  expect(members[0]?.clientURLs).toEqual(['https://a.example:1', 'https://b.example:2']);
});
