/** The JSON gateway with real servers: streams, identities, limits, bounds, and HTTP/2 with TLS. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { request as http1 } from 'node:http';
import { type ClientHttp2Session, connect as http2 } from 'node:http2';
import { Agent, request as https } from 'node:https';
import { connect as tcp } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashPassword } from '../../src/identity/password.ts';
import { CertificateAuthority, type KeyPair } from '../support/certificates.ts';
import { grpcClient } from '../support/client.ts';
import { type ConfiguredProxy, startConfigured } from '../support/configured.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { JsonClient } from '../support/json-client.ts';
import { TemporaryDirectory } from '../support/temporary-directory.ts';
import { until } from '../support/until.ts';

let etcd: Etcd;
let authority: CertificateAuthority;
let server: KeyPair;

beforeAll(async () => {
  etcd = await startEtcd();
  authority = new CertificateAuthority();
  server = authority.issue({ name: '/CN=localhost', alternativeNames: 'IP:127.0.0.1' });
});

afterAll(async () => {
  authority?.[Symbol.dispose]();
  await etcd?.[Symbol.asyncDispose]();
});

const base64 = (text: string) => Buffer.from(text).toString('base64');
const text = (value: unknown) => Buffer.from(String(value), 'base64').toString();

/** Two tenants, each with a listener. */
const twoTenants = (more: object = {}) =>
  startConfigured({
    endpoints: [etcd.clientUrl],
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'blue', namespace: 'blue/' },
    ],
    listeners: [
      { address: '127.0.0.1:0', tenant: 'red' },
      { address: '127.0.0.2:0', tenant: 'blue' },
    ],
    ...more,
  });

function clientOf(proxy: ConfiguredProxy, index = 0): JsonClient {
  return new JsonClient(`http://${proxy.addresses[index]}`);
}

describe('tenants of two listeners', () => {
  let proxy: ConfiguredProxy;
  let red: JsonClient;
  let blue: JsonClient;

  beforeAll(async () => {
    proxy = await twoTenants();
    red = clientOf(proxy, 0);
    blue = clientOf(proxy, 1);
  });

  afterAll(() => proxy?.[Symbol.asyncDispose]());

  test('have namespaces of their own, which JSON and gRPC share', async () => {
    await red.call('kv/put', { key: base64('k'), value: base64('red') });
    await blue.call('kv/put', { key: base64('k'), value: base64('blue') });
    const everything = { key: base64('\0'), range_end: base64('\0') };
    const { kvs } = await red.call('kv/range', everything);
    expect(kvs.map((kv: { key: string; value: string }) => [text(kv.key), text(kv.value)])).toEqual(
      [['k', 'red']],
    );
    using grpc = grpcClient(proxy.addresses[0] ?? '');
    const read = await grpc.call('etcdserverpb.KV/Range', { key: Buffer.from('k') });
    expect(read.kvs[0]?.value.toString()).toBe('red');
    using raw = grpcClient(etcd.address);
    const stored = await raw.call('etcdserverpb.KV/Range', { key: Buffer.from('blue/k') });
    expect(stored.kvs).toHaveLength(1);
  });

  test('watch their own keys, event by event', async () => {
    await using watch = await red.stream('watch', { create_request: { key: base64('w') } });
    expect(await watch.next()).toMatchObject({ result: { created: true } });
    await blue.call('kv/put', { key: base64('w'), value: base64('blue') });
    for (const value of ['1', '2', '3']) {
      await red.call('kv/put', { key: base64('w'), value: base64(value) });
      const { result } = await watch.next();
      expect(result.events.map((event: { kv: { value: string } }) => text(event.kv.value))).toEqual(
        [value],
      );
    }
  });

  test('may add and cancel watches while the request is open', async () => {
    await using watch = await red.stream('watch', { create_request: { key: base64('x') } });
    expect(await watch.next()).toMatchObject({ result: { created: true } });
    watch.send({ create_request: { key: base64('y'), watch_id: '7' } });
    expect(await watch.next()).toMatchObject({ result: { created: true, watch_id: '7' } });
    await red.call('kv/put', { key: base64('y') });
    expect(await watch.next()).toMatchObject({ result: { watch_id: '7', events: [{}] } });
    watch.send({ cancel_request: { watch_id: '7' } });
    expect(await watch.next()).toMatchObject({ result: { canceled: true, watch_id: '7' } });
  });

  test('renew leases on a stream', async () => {
    const { ID } = await red.call('lease/grant', { TTL: 60 });
    await using renewals = await red.stream('lease/keepalive', { ID });
    expect(await renewals.next()).toMatchObject({ result: { ID, TTL: '60' } });
    renewals.send({ ID });
    expect(await renewals.next()).toMatchObject({ result: { ID, TTL: '60' } });
    expect(await blue.fails('lease/revoke', { ID })).toMatchObject({ status: 404 });
    await red.call('lease/revoke', { ID });
  });

  test('observe elections', async () => {
    const { ID: lease } = await red.call('lease/grant', { TTL: 60 });
    const name = base64('vote');
    await red.call('election/campaign', { name, lease, value: base64('me') });
    await using observed = await red.stream('election/observe', { name });
    const { result } = await observed.next();
    expect(text(result.kv.value)).toBe('me');
  });

  test('get large values in both directions', async () => {
    const value = Buffer.alloc(1_000_000, 'abc').toString('base64');
    await red.call('kv/put', { key: base64('large'), value });
    const { kvs } = await red.call('kv/range', { key: base64('large') });
    expect(kvs[0].value === value).toBe(true);
    const tooLarge = Buffer.alloc(2_200_000).toString('base64');
    expect(await red.fails('kv/put', { key: base64('large'), value: tooLarge })).toMatchObject({
      status: 429,
      body: {
        code: 8,
        message: expect.stringMatching(/^grpc: received message larger than max \(2200012 vs/),
      },
    });
    const larger = 'A'.repeat(6_000_000);
    expect(
      (await red.fails('kv/put', { key: base64('large'), value: larger }).catch(() => null))
        ?.status ?? 429,
    ).toBe(429);
  });

  test('may not act on the cluster, and learn what to do instead', async () => {
    const refused = await red.fails('maintenance/defragment', {});
    expect(refused).toMatchObject({ status: 403, body: { code: 7 } });
    expect(refused.headers['grpc-metadata-etcd-bulkhead-reason']).toBe('method-denied');
    expect(refused.headers['grpc-metadata-etcd-bulkhead-hint']).toMatch(/owner/);
    const late = await red.fails('kv/range', { key: base64('a') }, { 'grpc-timeout': '-1S' });
    expect(late).toMatchObject({ status: 504, body: { message: 'context deadline exceeded' } });
    await using snapshot = await red.stream('maintenance/snapshot', {});
    expect(snapshot.status).toBe(403);
    expect(await snapshot.next()).toMatchObject({ error: {} });
  });

  test('may set a deadline', async () => {
    const name = base64('held');
    await red.call('lock/lock', { name });
    const waiting = await red.fails('lock/lock', { name }, { 'grpc-timeout': '300m' });
    expect(waiting).toMatchObject({ status: 504, body: { code: 4 } });
  });

  test('that disconnect end their calls', async () => {
    using raw = grpcClient(etcd.address);
    const name = base64('abandoned');
    await red.call('lock/lock', { name });
    const outgoing = http1(`http://${proxy.addresses[0]}/v3/lock/lock`, { method: 'POST' });
    outgoing.on('error', () => {});
    outgoing.end(JSON.stringify({ name }));
    const range = { key: Buffer.from('red/abandoned/'), range_end: Buffer.from('red/abandoned0') };
    const waiters = async () => (await raw.call('etcdserverpb.KV/Range', range)).kvs.length;
    await until('the second waiter', async () => (await waiters()) === 2);
    outgoing.destroy();
    await until('its end', async () => (await waiters()) === 1);
  });

  test('that do not read pause their watch and nothing else', async () => {
    await using slow = await red.stream('watch', { create_request: { key: base64('busy') } });
    await slow.next();
    slow.pause();
    const value = base64('x'.repeat(100_000));
    const count = 60;
    for (let i = 0; i < count; i++) await red.call('kv/put', { key: base64('busy'), value });
    await using quick = await red.stream('watch', { create_request: { key: base64('busy') } });
    expect(await quick.next()).toMatchObject({ result: { created: true } });
    slow.resume();
    let events = 0;
    while (events < count) events += (await slow.next()).result.events.length;
    expect(events).toBe(count);
  });

  test('keep their connection between requests, errors included', async () => {
    const socket = tcp(Number(proxy.addresses[0]?.split(':')[1]), '127.0.0.1');
    let received = '';
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
    });
    const heads = () => received.match(/HTTP\/1\.1 \d+/g) ?? [];
    const bodies = ['{"key":"YQ=="}', '{"key":1}', '{', '{"key":"YQ=="}'];
    for (const [i, body] of bodies.entries()) {
      socket.write(
        `POST /v3/kv/range HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await until('a response', () => heads().length === i + 1);
    }
    socket.write('POST /v3/nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nabcd');
    await until('a response', () => heads().length === 5);
    expect(heads().map((head) => head.slice(-3))).toEqual(['200', '400', '400', '200', '404']);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });
});

test('a tenant above its limits gets 429, with the reason in a header', async () => {
  await using proxy = await twoTenants({ 'max-calls-per-second': 1, 'max-call-burst': 2 });
  const red = clientOf(proxy);
  const got = await Promise.all(
    Array.from({ length: 8 }, () => red.post('kv/range', { key: base64('a') })),
  );
  const refused = got.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(4);
  expect(refused[0]?.headers['grpc-metadata-etcd-bulkhead-reason']).toBe('call-rate-limit');
  expect(JSON.parse(refused[0]?.text ?? '')).toMatchObject({
    code: 8,
    message: 'etcdserver: too many requests',
  });
});

/** Whatever its exit code is. */
function outputOf(command: string): Promise<string> {
  return new Promise((resolve) => {
    execFile('sh', ['-c', command], (_, stdout) => resolve(stdout));
  });
}

test('the commands of docs/json-gateway.md work', async () => {
  await using proxy = await twoTenants();
  const docs = readFileSync(new URL('../../docs/json-gateway.md', import.meta.url), 'utf8');
  const commands = docs.match(/^curl .*$/gm) ?? [];
  const outputs: string[] = [];
  for (const command of commands) {
    // A watch does not end by itself.
    const limited = command
      .replace('curl', 'curl --max-time 2')
      .replace('127.0.0.1:2379', proxy.addresses[0] ?? '');
    outputs.push(await outputOf(limited));
  }
  const [put = '', range = '', watch = ''] = outputs.map((output) => output.trim());
  expect(JSON.parse(put)).toMatchObject({ header: {} });
  expect(JSON.parse(range)).toMatchObject({ kvs: [{ key: 'Zm9v', value: 'YmFy' }], count: '1' });
  expect(JSON.parse(watch)).toMatchObject({ result: { created: true } });
});

test('streams end with an error when the proxy stops', async () => {
  const proxy = await twoTenants();
  await using watch = await clientOf(proxy).stream('watch', {
    create_request: { key: base64('a') },
  });
  expect(await watch.next()).toMatchObject({ result: { created: true } });
  await proxy[Symbol.asyncDispose]();
  const { error } = await watch.next();
  expect(error.message).toBe('etcdserver: server stopped');
});

test('calls as JSON count in the metrics of their methods', async () => {
  await using proxy = await twoTenants({ 'admin-addr': '127.0.0.1:0' });
  const red = clientOf(proxy);
  await red.call('kv/put', { key: base64('counted') });
  await red.fails('kv/put', { key: 5 });
  const metrics = await (await fetch(`http://${proxy.adminAddress}/metrics`)).text();
  expect(metrics).toMatch(/^grpc_server_handled_total\{[^}]*"Put"[^}]*\} 1$/m);
  expect(metrics).toMatch(/^etcd_bulkhead_\w+\{[^}]*reason="malformed"[^}]*\} 1$/m);
});

test('the gateway can be turned off', async () => {
  await using proxy = await twoTenants({ 'enable-grpc-gateway': false });
  const got = await clientOf(proxy).post('kv/range', { key: base64('a') });
  expect([got.status, got.text]).toEqual([404, '404 page not found\n']);
});

test('users log in with JSON, and their tokens identify them', async () => {
  using folder = new TemporaryDirectory('users');
  const usersFile = join(folder.path, 'users');
  writeFileSync(usersFile, `red:${await hashPassword(Buffer.from('secret'))}\n`);
  await using proxy = await startConfigured({
    endpoints: [etcd.clientUrl],
    'users-file': usersFile,
    tenants: [{ name: 'red', namespace: 'red/', identities: ['user:red'] }],
    listeners: [{ address: '127.0.0.1:0', identify: ['user'] }],
  });
  const anonymous = clientOf(proxy);
  const key = base64('by-user');
  expect(await anonymous.fails('kv/put', { key })).toMatchObject({ status: 403 });
  const { token } = await anonymous.call('auth/authenticate', { name: 'red', password: 'secret' });
  for (const headers of [
    { authorization: token },
    { authorization: `Bearer ${token}` },
    { 'grpc-metadata-token': token },
    { 'grpc-metadata-authorization': token },
  ]) {
    expect((await anonymous.post('kv/put', { key }, headers)).status).toBe(200);
  }
  const forged = await anonymous.fails('kv/put', { key }, { authorization: `${token}x` });
  expect(forged).toMatchObject({ status: 401, body: { code: 16 } });
});

describe('with TLS', () => {
  let proxy: ConfiguredProxy;
  let alice: KeyPair;

  beforeAll(async () => {
    alice = authority.issue({ name: '/CN=alice' });
    proxy = await startConfigured({
      endpoints: [etcd.clientUrl],
      tenants: [{ name: 'alice', namespace: 'alice/', identities: ['cn:alice'] }],
      listeners: [
        {
          ...{ address: '127.0.0.1:0', identify: ['certificate'] },
          ...{ 'cert-file': server.certificateFile, 'key-file': server.keyFile },
          'trusted-ca-file': authority.certificateFile,
        },
      ],
    });
  });

  afterAll(() => proxy?.[Symbol.asyncDispose]());

  const tls = () => ({ ca: authority.certificate, cert: alice.certificate, key: alice.key });

  test('a certificate identifies the tenant over HTTP/1.1', async () => {
    const agent = new Agent(tls());
    const body = await new Promise<string>((resolve, reject) => {
      const outgoing = https(
        `https://${proxy.addresses[0]}/v3/kv/put`,
        { agent, method: 'POST' },
        (response) => {
          let received = '';
          response.on('data', (part: Buffer) => {
            received += part.toString();
          });
          response.on('end', () => resolve(received));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(JSON.stringify({ key: base64('k'), value: base64('v') }));
    });
    agent.destroy();
    expect(JSON.parse(body)).toMatchObject({ header: {} });
    using raw = grpcClient(etcd.address);
    const stored = await raw.call('etcdserverpb.KV/Range', { key: Buffer.from('alice/k') });
    expect(stored.kvs).toHaveLength(1);
  });

  describe('over HTTP/2', () => {
    let session: ClientHttp2Session;

    beforeAll(() => {
      session = http2(`https://${proxy.addresses[0]}`, tls());
      session.on('error', () => {});
    });

    afterAll(() => session?.destroy());

    const open = (path: string) => {
      const stream = session.request({
        ...{ ':method': 'POST', ':path': path },
        'content-type': 'application/json',
      });
      let received = '';
      let status = 0;
      let ended = false;
      stream.on('error', () => {});
      stream.on('response', (headers) => {
        status = Number(headers[':status']);
      });
      stream.on('data', (part: Buffer) => {
        received += part.toString();
      });
      stream.on('end', () => {
        ended = true;
      });
      return {
        stream,
        get status() {
          return status;
        },
        get received() {
          return received;
        },
        get ended() {
          return ended;
        },
      };
    };

    test('requests share a connection with gRPC', async () => {
      const put = open('/v3/kv/put');
      put.stream.end(JSON.stringify({ key: base64('h2'), value: base64('v'.repeat(300_000)) }));
      await until('the response', () => put.ended);
      expect([put.status, JSON.parse(put.received)]).toMatchObject([200, { header: {} }]);
      const range = open('/v3/kv/range');
      range.stream.end(JSON.stringify({ key: base64('h2') }));
      await until('the response', () => range.ended);
      expect(JSON.parse(range.received).kvs[0].value).toBe(base64('v'.repeat(300_000)));
      const page = session.request({ ':path': '/version' });
      let version = '';
      page.on('data', (part: Buffer) => {
        version += part.toString();
      });
      await until('the page', () => version.includes('etcdserver'));
      const missing = open('/v3/nothing');
      missing.stream.end('{}');
      await until('the error', () => missing.ended);
      expect(missing.status).toBe(404);
    });

    test('a watch delivers events, accepts further requests, and ends with its stream', async () => {
      const watch = open('/v3/watch');
      watch.stream.write(JSON.stringify({ create_request: { key: base64('h2w') } }));
      const lines = () => watch.received.split('\n').length - 1;
      await until('the first watch', () => lines() === 1);
      watch.stream.write(JSON.stringify({ create_request: { key: base64('h2x') } }));
      await until('the second watch', () => lines() === 2);
      const put = open('/v3/kv/put');
      put.stream.end(JSON.stringify({ key: base64('h2x') }));
      await until('the event', () => lines() === 3);
      watch.stream.close(8);
    });

    test('a request is rejected without losing the connection', async () => {
      const bad = open('/v3/kv/put');
      bad.stream.write('{"key":');
      bad.stream.write('x'.repeat(1_000));
      bad.stream.end();
      await until('the error', () => bad.ended);
      expect(bad.status).toBe(400);
      const good = open('/v3/kv/range');
      good.stream.end(JSON.stringify({ key: base64('h2') }));
      await until('the response', () => good.ended);
      expect(good.status).toBe(200);
    });
  });
});
