/** The command `smoke-test` against real proxies and a real etcd, as a process of its own. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashPassword } from '../../../src/identity/password.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { grpcClient } from '../../support/client.ts';
import { startConfigured } from '../../support/configured.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { runProgram as run } from '../../support/program.ts';
import { startTestProxy } from '../../support/proxy.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('smoke');
let etcd: Etcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

const passed = [
  'grant a lease',
  'watch a key',
  'put it with the lease',
  'receive the event',
  'get it',
  'keep the lease alive',
  'revoke the lease, which deletes the key',
];

function namesIn(out: string): readonly string[] {
  return [...out.matchAll(/^ok {4}(.*) \(\d+ ms\)$/gm)].map(([, name = '']) => name);
}

test('passes at a proxy and leaves no key', async () => {
  await using proxy = await startTestProxy({
    endpoints: [etcd.address],
    tenants: [{ name: 'game', namespace: 'game/' }],
  });
  const { code, out, err } = await run(['smoke-test', `--endpoints=${proxy.address('game')}`]);
  expect([code, err]).toEqual([0, '']);
  expect(namesIn(out)).toEqual(passed);
  using client = grpcClient(etcd.address);
  const everything = Buffer.of(0);
  expect(
    await client.call('etcdserverpb.KV/Range', { key: everything, range_end: everything }),
  ).toMatchObject({ count: '0' });
});

test('passes with TLS, a client certificate and a user', async () => {
  using authority = new CertificateAuthority();
  const server = authority.issue({ name: '/CN=localhost', alternativeNames: 'DNS:etcd.example' });
  const client = authority.issue({ name: '/CN=tester' });
  const users = join(directory.path, 'users');
  writeFileSync(users, `game:${await hashPassword(Buffer.from('pass'))}\n`);
  const password = join(directory.path, 'password');
  writeFileSync(password, 'pass\n');
  await using proxy = await startConfigured({
    endpoints: [etcd.address],
    'users-file': users,
    tenants: [{ name: 'game', namespace: 'game/' }],
    listeners: [
      {
        ...{ address: '127.0.0.1:0', identify: 'user' },
        ...{ 'cert-file': server.certificateFile, 'key-file': server.keyFile },
        'trusted-ca-file': authority.certificateFile,
      },
    ],
  });
  const flags = [
    ...['smoke-test', `--endpoints=https://${proxy.addresses[0]}`, '--server-name=etcd.example'],
    ...[`--cacert=${authority.certificateFile}`, `--cert=${client.certificateFile}`],
    `--key=${client.keyFile}`,
  ];
  const { code, out, err } = await run([...flags, '--user=game', `--password-file=${password}`]);
  expect([code, err]).toEqual([0, '']);
  expect(namesIn(out)).toEqual(passed);
  const refused = await run(flags);
  expect([refused.code, refused.err]).toEqual([
    1,
    expect.stringMatching(/^fail {2}grant a lease at .*PERMISSION_DENIED etcdserver: permission/),
  ]);
});

test('fails at a tenant without the permission to write, with the step and the status', async () => {
  await using proxy = await startTestProxy({
    endpoints: [etcd.address],
    tenants: [{ name: 'game', namespace: 'game/', access: 'read-only' }],
  });
  const { code, err } = await run(['smoke-test', `--endpoints=${proxy.address('game')}`]);
  expect(code).toBe(1);
  expect(err).toContain('fail  grant a lease at');
});

test('fails if nothing listens', async () => {
  const { code, err } = await run(['smoke-test', '--endpoints=127.0.0.1:1']);
  expect([code, err]).toEqual([1, expect.stringContaining('fail  connect at 127.0.0.1:1: ')]);
});
