/** Bearer tokens and client certificates on one listener for many tenants, and what a reload makes of them. */
import { createHmac } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { CertificateAuthority, type KeyPair } from '../../support/certificates.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { type ConfiguredProxy, startConfigured } from '../../support/configured.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { audience, Issuer, issuer } from '../../support/jwt.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { until } from '../../support/until.ts';

const directory = new TemporaryDirectory('identities');
const keysFile = join(directory.path, 'jwks.json');
const certFile = join(directory.path, 'server.crt');
const keyFile = join(directory.path, 'server.key');
const key = Buffer.from('who');
const denied = { code: Code.PERMISSION_DENIED, details: 'etcdserver: permission denied' };
const invalidToken = { code: Code.UNAUTHENTICATED, details: 'etcdserver: invalid auth token' };

const trusted = new Issuer();
let authority: CertificateAuthority;
let etcd: Etcd;
let proxy: ConfiguredProxy;

function use({ certificateFile, keyFile: from }: KeyPair): void {
  copyFileSync(certificateFile, certFile);
  copyFileSync(from, keyFile);
}

function serverPair(): KeyPair {
  return authority.issue({ name: '/CN=localhost', alternativeNames: 'IP:127.0.0.1,IP:127.0.0.2' });
}

function config(more: Readonly<Record<string, unknown>> = {}) {
  return {
    endpoints: [etcd.address],
    'jwks-file': keysFile,
    'jwt-issuer': issuer,
    'jwt-audience': audience,
    'uri-pattern': 'spiffe://td/ns/{ns}/sa/{sa}={ns}.{sa}',
    tenants: [
      {
        name: 'games.red',
        namespace: 'red/',
        identities: ['cn:red', 'dns:red.example', 'claim:red'],
      },
      {
        name: 'games.blue',
        namespace: 'blue/',
        identities: ['uri:spiffe://td/blue', 'claim:blue'],
      },
    ],
    listeners: [
      { address: '127.0.0.1:0', identify: 'jwt' },
      {
        address: '127.0.0.2:0',
        identify: ['certificate', 'jwt'],
        'cert-file': certFile,
        'key-file': keyFile,
        'trusted-ca-file': authority.certificateFile,
      },
    ],
    ...more,
  };
}

beforeAll(async () => {
  authority = new CertificateAuthority();
  use(serverPair());
  trusted.writeKeys(keysFile);
  etcd = await startEtcd();
  using client = grpcClient(etcd.address);
  for (const name of ['red', 'blue']) {
    const [stored, value] = [Buffer.from(`${name}/who`), Buffer.from(name)];
    await client.call('etcdserverpb.KV/Put', { key: stored, value });
  }
  proxy = await startConfigured(config());
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
  authority?.[Symbol.dispose]();
  directory[Symbol.dispose]();
});

describe('a bearer token', () => {
  async function who(token: string): Promise<string> {
    using client = grpcClient(proxy.addresses[0] ?? '');
    const metadata = { authorization: `Bearer ${token}` };
    const { kvs } = await client.call('etcdserverpb.KV/Range', { key }, { metadata });
    return kvs[0]?.value.toString() ?? '';
  }

  test('is the tenant that its claim names', async () => {
    expect(await who(await trusted.sign({ sub: 'red' }))).toBe('red');
    expect(await who(await trusted.sign({ sub: 'blue', aud: ['other', audience] }))).toBe('blue');
  });

  test('is verified once: many calls that begin with it, of every kind, find their tenant', async () => {
    using client = grpcClient(proxy.addresses[0] ?? '');
    const metadata = { token: await trusted.sign({ sub: 'red' }) };
    const watch = client.stream('etcdserverpb.Watch/Watch', { metadata });
    watch.send({ create_request: { key } });
    const calls = Array.from({ length: 10 }, () =>
      client.call('etcdserverpb.KV/Range', { key }, { metadata }),
    );
    for (const { kvs } of await Promise.all(calls)) expect(kvs[0]?.value.toString()).toBe('red');
    expect(await watch.next()).toMatchObject({ created: true });
  });

  test('is refused when anything about it is not as pinned', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const foreign = new Issuer();
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { iss: issuer, aud: audience, sub: 'red', exp: now + 60 };
    const withPublicKeyAsSecret = `${encoded({ alg: 'HS256', kid: 'one' })}.${encoded(claims)}`;
    const mac = createHmac('sha256', trusted.publicPem).update(withPublicKeyAsSecret);
    const good = await trusted.sign({ sub: 'red' });
    const bad = {
      expired: await trusted.sign({ sub: 'red', exp: now - 1 }),
      'not yet good': await trusted.sign({ sub: 'red', nbf: now + 60 }),
      'without an expiry': await trusted.sign({ sub: 'red', exp: undefined }),
      'of another issuer': await trusted.sign({ sub: 'red', iss: 'https://evil.example' }),
      'for another audience': await trusted.sign({ sub: 'red', aud: 'other' }),
      'without the claim': await trusted.sign({}),
      'signed with a foreign key': await foreign.sign({ sub: 'red' }),
      'without a signature': `${encoded({ alg: 'none' })}.${encoded(claims)}.`,
      'signed with the public key as a secret': `${withPublicKeyAsSecret}.${mac.digest('base64url')}`,
      'with its claims replaced': [good.split('.')[0], encoded(claims), good.split('.')[2]].join(
        '.',
      ),
      'with a critical header that we do not know': await trusted
        .sign({ sub: 'red' }, { crit: ['x'], x: 1 })
        .catch(() => 'a.b.c'),
      huge: await trusted.sign({ sub: 'red', pad: 'x'.repeat(7_000) }),
      'no token at all': 'a.b.c',
    };
    for (const [what, token] of Object.entries(bad)) {
      await expect(who(token), what).rejects.toMatchObject(invalidToken);
    }
    await expect(who(await trusted.sign({ sub: 'green' }))).rejects.toMatchObject(denied);
  });

  test('ends when it expires, on a connection that has long used it', async () => {
    using client = grpcClient(proxy.addresses[0] ?? '');
    const exp = Math.floor(Date.now() / 1_000) + 2;
    const metadata = { token: await trusted.sign({ sub: 'red', exp }) };
    const get = () => client.call('etcdserverpb.KV/Range', { key }, { metadata });
    await get();
    await until('end of the token', () => Date.now() >= exp * 1_000);
    expect(await refusal(get())).toMatchObject(invalidToken);
  });

  test('is good by a key that a reload has added', async () => {
    const next = new Issuer('two');
    const token = await next.sign({ sub: 'red' });
    await expect(who(token)).rejects.toMatchObject(invalidToken);
    next.writeKeys(keysFile);
    await proxy.reload(config());
    expect(await who(token)).toBe('red');
    trusted.writeKeys(keysFile);
    await proxy.reload(config());
  });
});

describe('a client certificate', () => {
  async function who(name: string, alternativeNames?: string, token?: string): Promise<string> {
    const own = authority.issue({
      name,
      ...(alternativeNames === undefined ? {} : { alternativeNames }),
    });
    const tls = credentials.createSsl(authority.certificate, own.key, own.certificate);
    using client = grpcClient(proxy.addresses[1] ?? '', tls);
    const metadata = token === undefined ? {} : { token };
    const { kvs } = await client.call('etcdserverpb.KV/Range', { key }, { metadata });
    return kvs[0]?.value.toString() ?? '';
  }

  test('is the tenant that its names are', async () => {
    expect(await who('/CN=red')).toBe('red');
    expect(await who('/O=x', 'DNS:RED.example')).toBe('red');
    expect(await who('/O=x', 'URI:spiffe://td/blue')).toBe('blue');
    expect(await who('/O=x', 'URI:spiffe://td/ns/games/sa/blue')).toBe('blue');
  });

  test('of no tenant, of two tenants, or with a similar name, identifies no tenant', async () => {
    for (const [name, names] of [
      ['/CN=green'],
      ['/CN=Red'],
      ['/O=red'],
      ['/CN=red', 'URI:spiffe://td/blue'],
      ['/O=x', 'URI:spiffe://td/ns/games/sa/green'],
      ['/O=x', 'URI:spiffe://td/ns/games/sa/blue/x'],
      ['/O=x', 'URI:spiffe://td/ns/games.blue/sa/x'],
      ['/O=x', 'URI:spiffe://td.evil/ns/games/sa/blue'],
      ['/O=x', 'URI:spiffe://TD/ns/games/sa/blue'],
      ['/CN=x\\, DNS:red.example\\, URI:spiffe:\\/\\/td\\/blue'],
      ['/O=x', 'DNS:x'],
    ] as const) {
      await expect(who(name, names), `${name} ${names}`).rejects.toMatchObject(denied);
    }
  });

  test('gives way to a token, and a bad token is not made up for by it', async () => {
    expect(await who('/CN=red', undefined, await trusted.sign({ sub: 'blue' }))).toBe('blue');
    await expect(who('/CN=red', undefined, 'x')).rejects.toMatchObject(invalidToken);
  });
});

describe('a reload', () => {
  test('shows a new certificate to new connections, and leaves those that exist alone', async () => {
    const own = authority.issue({ name: '/CN=red' });
    const [host = '', port] = (proxy.addresses[1] ?? '').split(':');
    const fingerprint = () =>
      new Promise<string>((resolve, reject) => {
        const { certificate: cert, key: ownKey } = own;
        const options = { host, port: Number(port), ca: authority.certificate, cert, key: ownKey };
        const socket = connect(options, () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.destroy();
        });
        socket.once('error', reject);
      });
    const tls = credentials.createSsl(authority.certificate, own.key, own.certificate);
    using client = grpcClient(proxy.addresses[1] ?? '', tls);
    const watch = client.stream('etcdserverpb.Watch/Watch');
    watch.send({ create_request: { key } });
    await watch.next();
    const before = await fingerprint();
    use(serverPair());
    await proxy.reload(config());
    expect(await fingerprint()).not.toBe(before);
    watch.send({ progress_request: {} });
    await watch.next();
  });

  test('ends the streams of tenants that it changes or removes, and of no others', async () => {
    using client = grpcClient(proxy.addresses[0] ?? '');
    const open = async (sub: string) => {
      const metadata = { token: await trusted.sign({ sub }) };
      const watch = client.stream('etcdserverpb.Watch/Watch', { metadata });
      watch.send({ create_request: { key } });
      await watch.next();
      return { watch, metadata };
    };
    const [red, blue] = [await open('red'), await open('blue')];
    const { tenants, ...rest } = config();
    const [redConfig] = tenants;
    await proxy.reload({ ...rest, tenants: [redConfig] });
    expect(await blue.watch.ended()).toMatchObject({
      code: Code.UNAVAILABLE,
      details: 'etcdserver: server stopped',
    });
    const { metadata } = blue;
    expect(
      await refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata })),
    ).toMatchObject(denied);
    red.watch.send({ progress_request: {} });
    await red.watch.next();

    await proxy.reload({ ...rest, tenants: [{ ...redConfig, access: 'read-only' }] });
    expect(await red.watch.ended()).toMatchObject({ code: Code.UNAVAILABLE });
    const put = client.call('etcdserverpb.KV/Put', { key, value: key }, { metadata: red.metadata });
    expect(await refusal(put)).toMatchObject(denied);
    await proxy.reload(config());
  });

  test('adds and removes listeners, and one that cannot be bound changes nothing', async () => {
    const { listeners, ...rest } = config();
    const added = { address: '127.0.0.3:0', tenant: 'games.red' };
    await proxy.reload({ ...rest, listeners: [...listeners, added] });
    const address = proxy.addresses[2] ?? '';
    using client = grpcClient(address);
    expect((await client.call('etcdserverpb.KV/Range', { key })).kvs).toHaveLength(1);
    await proxy.reload({
      ...rest,
      listeners: [...listeners, { ...added, address: '192.0.2.1:1' }],
    });
    expect((await client.call('etcdserverpb.KV/Range', { key })).kvs).toHaveLength(1);
    await proxy.reload(config());
    expect(proxy.addresses).toHaveLength(2);
    expect(await refusal(client.call('etcdserverpb.KV/Range', { key }))).toMatchObject({
      code: Code.UNAVAILABLE,
    });
  });
});
