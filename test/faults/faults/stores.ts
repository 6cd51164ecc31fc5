/** Members that refuse: a full disk, expired tokens. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { grpcClient } from '../../support/client.ts';
import type { Cluster } from '../../support/cluster.ts';
import { etcdctl } from '../../support/etcdctl.ts';
import { TemporaryDirectory } from '../../support/temporary-directory.ts';
import { compact } from '../compaction.ts';
import type { Fault, World } from '../fault.ts';
import { pathNames } from '../path.ts';

const quotaBytes = 16 * 2 ** 20;
const fillerBytes = 2 ** 20;
const fillers = 40;
const tokenTtlSeconds = 3;
const user = 'root';
const password = 'a password';

/** Resolves when etcd does not accept any more. */
async function fill(cluster: Cluster): Promise<void> {
  using client = grpcClient((await cluster.leader()).address);
  const value = Buffer.alloc(fillerBytes, 'f');
  for (let i = 0; i < fillers; i++) {
    const request = { key: Buffer.from('filler'), value };
    try {
      await client.call('etcdserverpb.KV/Put', request);
    } catch (error) {
      if (String(error).includes('database space exceeded')) return;
      throw error;
    }
  }
  throw new Error(`the quota was not exceeded by ${fillers} values`);
}

async function makeRoom(world: World): Promise<void> {
  const { cluster } = world;
  const leader = await cluster.leader();
  await compact(world, leader.address);
  for (const { address } of cluster.members) {
    using member = grpcClient(address);
    await member.call('etcdserverpb.Maintenance/Defragment', {}, { timeoutMs: 20_000 });
  }
  using client = grpcClient(leader.address);
  const { alarms } = await client.call('etcdserverpb.Maintenance/Alarm', { action: 'GET' });
  for (const { memberID, alarm } of alarms) {
    const request = { action: 'DEACTIVATE' as const, memberID, alarm };
    await client.call('etcdserverpb.Maintenance/Alarm', request);
  }
}

const diskFull: Fault = {
  name: 'disk full (NOSPACE)',
  paths: pathNames,
  etcdArgs: () => [`--quota-backend-bytes=${quotaBytes}`],
  async happen(world) {
    await fill(world.cluster);
    await sleep(world.lastsMs);
    await makeRoom(world);
  },
};

async function administrate(cluster: Cluster, ...args: string[]): Promise<void> {
  const { code, err } = await etcdctl(cluster.members[0]?.address ?? '', args);
  if (code !== 0) throw new Error(`etcdctl ${args[0]} ${args[1]}: ${err}`);
}

/** Tokens that expire whether they are used or not. The password of the proxy stays right. */
const tokenExpiry: Fault = {
  name: 'token expiry',
  paths: ['proxy'],
  elsewhere: 'the clients of the load do not log in',
  etcdArgs(owned) {
    const { path } = owned.use(new TemporaryDirectory('tokens'));
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const [publicKey, privateKey] = [join(path, 'public.pem'), join(path, 'private.pem')];
    writeFileSync(publicKey, keys.publicKey.export({ format: 'pem', type: 'spki' }));
    writeFileSync(privateKey, keys.privateKey.export({ format: 'pem', type: 'pkcs1' }));
    const options = `pub-key=${publicKey},priv-key=${privateKey},sign-method=RS256`;
    return [`--auth-token=jwt,${options},ttl=${tokenTtlSeconds}s`];
  },
  async prepare({ cluster, owned }) {
    await administrate(cluster, 'user', 'add', `${user}:${password}`);
    await administrate(cluster, 'user', 'grant-role', user, user);
    await administrate(cluster, 'auth', 'enable');
    const file = join(owned.use(new TemporaryDirectory('password')).path, 'password');
    writeFileSync(file, password);
    return { settings: { user, 'password-file': file } };
  },
  async happen({ cluster, lastsMs }) {
    await sleep(lastsMs + 2 * tokenTtlSeconds * 1_000);
    // The checks have no token.
    await administrate(cluster, 'auth', 'disable', `--user=${user}:${password}`);
  },
};

export const storeFaults: readonly Fault[] = [diskFull, tokenExpiry];
