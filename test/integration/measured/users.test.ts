/** Users and passwords on one listener for many tenants: what real clients of etcd do with it, and what attackers may try. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Code } from '../../../src/grpc/status.ts';
import { hashPassword } from '../../../src/identity/password.ts';
import { grpcClient, refusal } from '../../support/client.ts';
import { type ConfiguredProxy, logIn, startConfigured } from '../../support/configured.ts';
import { type Etcd, startEtcd } from '../../support/etcd.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { Relay } from '../../support/relay.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';

const directory = new TemporaryDirectory('users');
const usersFile = join(directory.path, 'users');
const key = Buffer.from('k');
const wrongPassword = {
  code: Code.INVALID_ARGUMENT,
  details: 'etcdserver: authentication failed, invalid user ID or password',
};
const invalidToken = { code: Code.UNAUTHENTICATED, details: 'etcdserver: invalid auth token' };

let etcd: Etcd;
let proxy: ConfiguredProxy;
let address: string;
/** A listener that does not identify users. */
let plainAddress: string;

function config(): Record<string, unknown> {
  return {
    endpoints: [etcd.address],
    'users-file': usersFile,
    tenants: [
      { name: 'red', namespace: 'red/' },
      { name: 'blue', namespace: 'blue/', identities: ['user:bert', 'user:betty'] },
    ],
    listeners: [
      { address: '127.0.0.1:0', identify: 'user' },
      { address: '127.0.0.2:0', tenant: 'red' },
    ],
  };
}

async function writeUsers(passwordOfRed: string): Promise<void> {
  const lines = [
    '# name:hash',
    `red:${await hashPassword(Buffer.from(passwordOfRed))}`,
    `bert:${hashSync('b3rt', 4)}`,
    `nobody:${hashSync('n0body', 4)}`,
    `slow:${await hashPassword(Buffer.from('sl0w'))}`,
  ];
  writeFileSync(usersFile, lines.join('\n'));
}

beforeAll(async () => {
  await writeUsers('r3d');
  etcd = await startEtcd();
  proxy = await startConfigured(config());
  [address = '', plainAddress = ''] = proxy.addresses;
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
  directory[Symbol.dispose]();
});

describe('clients', () => {
  test('etcdctl --user gets the namespace of its user, whatever the kind of its hash', async () => {
    expect(await etcdctl(address, ['--user=red:r3d', 'put', 'who', 'red'])).toMatchObject({
      code: 0,
    });
    expect(await etcdctl(address, ['--user=bert:b3rt', 'put', 'who', 'blue'])).toMatchObject({
      code: 0,
    });
    const { out } = await etcdctl(etcd.address, ['get', '', '--prefix']);
    expect(out).toBe('blue/who\nblue\nred/who\nred\n');
    expect((await etcdctl(address, ['--user=red:r3d', 'get', 'who'])).out).toBe('who\nred\n');
  });

  test('etcdctl receives etcd’s text for a wrong password', async () => {
    const { code, err } = await etcdctl(address, ['--user=red:wrong', 'get', 'who']);
    expect(code).not.toBe(0);
    expect(err).toContain('etcdserver: authentication failed, invalid user ID or password');
  });

  test('etcdctl --user works without identification by user, as on an etcd without authentication', async () => {
    const { code, out } = await etcdctl(plainAddress, ['--user=red:any', 'get', 'who']);
    expect([code, out]).toEqual([0, 'who\nred\n']);
  });

  test('the client etcd3 authenticates again when its token is no longer good', async () => {
    const client = new Etcd3({
      hosts: `http://${address}`,
      auth: { username: 'red', password: 'r3d' },
    });
    try {
      await client.put('again').value('1');
      await writeUsers('r3d');
      // Another hash of the same password: every session of the user is over.
      await proxy.reload(config());
      expect(await client.get('again').string()).toBe('1');
    } finally {
      client.close();
    }
  });
});

describe('tokens', () => {
  test('go as `token` or as `authorization`, with or without "Bearer"', async () => {
    using client = grpcClient(address);
    const token = await logIn(client, 'red', 'r3d');
    for (const metadata of [
      { token },
      { token: `Bearer ${token}` },
      { authorization: `Bearer ${token}` },
      { authorization: token },
    ]) {
      await client.call('etcdserverpb.KV/Put', { key, value: key }, { metadata });
    }
  });

  test('that are forged, empty, truncated or missing are rejected', async () => {
    using client = grpcClient(address);
    const token = await logIn(client, 'red', 'r3d');
    const get = (metadata: Record<string, string>) =>
      refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata }));
    const flipped = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A');
    for (const bad of ['', 'x', flipped, token.slice(0, -1), `${token}A`, 'A'.repeat(7_000)]) {
      expect(await get({ token: bad }), bad).toMatchObject(invalidToken);
    }
    expect(await get({})).toMatchObject({
      code: Code.PERMISSION_DENIED,
      details: 'etcdserver: permission denied',
    });
    // A valid token behind an invalid one does not help: etcd reads the first.
    expect(await get({ token: flipped, authorization: token })).toMatchObject(invalidToken);
  });

  test('of a user without a tenant are rejected', async () => {
    using client = grpcClient(address);
    const token = await logIn(client, 'nobody', 'n0body');
    expect(
      await refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata: { token } })),
    ).toMatchObject({ code: Code.PERMISSION_DENIED });
  });

  test('never reach etcd, which would refuse them', async () => {
    using direct = grpcClient(etcd.address);
    using client = grpcClient(plainAddress);
    const metadata = { token: 'a.b' };
    const asEtcd = await refusal(direct.call('etcdserverpb.KV/Range', { key }, { metadata }));
    const ours = await refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata }));
    expect([ours.code, ours.details]).toEqual([asEtcd.code, asEtcd.details]);
  });

  test('end with the password that they were given for, and so do streams', async () => {
    using client = grpcClient(address);
    const metadata = { token: await logIn(client, 'red', 'r3d') };
    const watch = client.stream('etcdserverpb.Watch/Watch', { metadata });
    watch.send({ create_request: { key } });
    await watch.next();
    await writeUsers('n3w');
    await proxy.reload(config());
    expect(await watch.ended()).toMatchObject({ code: Code.UNAVAILABLE });
    expect(
      await refusal(client.call('etcdserverpb.KV/Range', { key }, { metadata })),
    ).toMatchObject(invalidToken);
    expect(await refusal(logIn(client, 'red', 'r3d'))).toMatchObject(wrongPassword);
    await logIn(client, 'red', 'n3w');
  });
});

async function rejectedForLimit(attempt: ReturnType<typeof refusal>): Promise<void> {
  const { code } = await attempt;
  if (code !== Code.RESOURCE_EXHAUSTED) throw new Error(`ended with ${code}`);
}

describe('passwords', () => {
  test('of users that do not exist are as wrong as any', async () => {
    using client = grpcClient(address);
    for (const user of ['', 'betty', 'root', 'x'.repeat(10_000)]) {
      expect(await refusal(logIn(client, user, 'any')), user).toMatchObject(wrongPassword);
    }
    expect(await refusal(logIn(client, 'bert', 'x'.repeat(100_000)))).toMatchObject(wrongPassword);
    expect(await refusal(logIn(client, 'bert', 'b3rt\0'))).toMatchObject(wrongPassword);
  });

  test('from many clients at once are hashed in turn, and other calls continue meanwhile', async () => {
    using flood = grpcClient(address);
    using client = grpcClient(plainAddress);
    const attempts = Array.from({ length: 200 }, () => refusal(logIn(flood, 'red', 'wrong')));
    const startMs = performance.now();
    await client.call('etcdserverpb.KV/Put', { key, value: key });
    expect(performance.now() - startMs).toBeLessThan(1_000);
    const codes = (await Promise.all(attempts)).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set([Code.INVALID_ARGUMENT, Code.RESOURCE_EXHAUSTED]));
  });

  test('from 80 connections at once do not keep a user from logging in', async () => {
    await writeUsers('r3d');
    await proxy.reload(config());
    using returning = grpcClient(address);
    await logIn(returning, 'red', 'r3d');
    await using relay = await Relay.to(address, '127.0.0.9');
    using other = grpcClient(relay.address);
    await refusal(other.call('etcdserverpb.KV/Range', { key }));
    const flood = Array.from({ length: 80 }, () => grpcClient(address));
    const attempts = flood.flatMap((client) =>
      Array.from({ length: 4 }, () => refusal(logIn(client, 'red', 'wrong'))),
    );
    try {
      // The queue is full when the first attempts are rejected.
      await Promise.any(attempts.map(rejectedForLimit));
      // The password was verified before, so it waits for nothing.
      await logIn(returning, 'red', 'r3d');
      // This user has not logged in before, so it waits for the turn of its address.
      await logIn(other, 'slow', 'sl0w');
    } finally {
      for (const client of flood) client[Symbol.dispose]();
      await Promise.allSettled(attempts);
    }
  });

  test('are not checked on a listener that does not identify by user', async () => {
    using client = grpcClient(plainAddress);
    expect(await refusal(logIn(client, 'red', 'r3d'))).toMatchObject({
      code: Code.FAILED_PRECONDITION,
      details: 'etcdserver: authentication is not enabled',
    });
  });
});
